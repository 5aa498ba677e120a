/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's page allocator for unit tests: counts pages and can run out. */
#ifndef MICA_TEST_PAGES_H
#define MICA_TEST_PAGES_H

extern long fake_pages;		/* given and not yet back */
extern long fake_pages_left;	/* that can still be given; -1: no limit */

#endif
