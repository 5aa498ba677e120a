#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# All guest tests; TAP as they write it.
exec /selftests/guest-tests "$@"
