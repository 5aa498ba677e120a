/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_TEST_CONTROL_TEST_H
#define MICA_TEST_CONTROL_TEST_H

#include "../vmm_core/core_test.h"

#include <json-glib/json-glib.h>

#include "../../../vmm/error.h"

#endif
