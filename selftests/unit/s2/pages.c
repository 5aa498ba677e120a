// SPDX-License-Identifier: GPL-2.0-or-later
#include "pages.h"

#include "kernel_stub.h"

long fake_pages, fake_pages_left = -1;

unsigned long get_zeroed_page(gfp_t gfp)
{
	void *page;

	(void)gfp;
	if (!fake_pages_left)
		return 0;
	if (fake_pages_left > 0)
		fake_pages_left--;
	page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	assert(page);
	memset(page, 0, PAGE_SIZE);
	fake_pages++;
	return (unsigned long)page;
}

void free_page(unsigned long page)
{
	fake_pages--;
	free((void *)page);
}
