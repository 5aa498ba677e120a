// SPDX-License-Identifier: GPL-2.0-or-later
#define NBD_LIBRARY_NO_NAMES
#include "nbd_library.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "../error.h"

#define SONAME	"libnbd.so.0"

struct nbd_functions nbd_functions;

static bool find(void *handle, const char *name, void *place)
{
	*(void **)place = dlsym(handle, name);
	return *(void **)place != NULL;
}

static bool find_all(void *handle)
{
	bool good = true;

#define NBD_FIND(name) good &= find(handle, "nbd_" #name, &nbd_functions.name);
	NBD_FUNCTIONS(NBD_FIND)
#undef NBD_FIND
	return good;
}

/* The handle, which is kept. */
static void *load(void *unused)
{
	void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

	(void)unused;
	if (!handle || find_all(handle))
		return handle;
	dlclose(handle);
	return NULL;
}

gboolean nbd_library_load(GError **error)
{
	static GOnce once = G_ONCE_INIT;

	g_once(&once, load, NULL);
	return once.retval || error_set(error, "cannot load " SONAME ", which NBD disks need: install "
					"the package libnbd0");
}
