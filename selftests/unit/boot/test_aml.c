// SPDX-License-Identifier: GPL-2.0-or-later
/* Encodings of AML, byte for byte: what iasl would accept in a looser form, too. */
#include "guest.h"

#include <string.h>

#include "../../../vmm/boot/aml.h"

static void check_bytes(struct aml *aml, const void *expected, size_t length)
{
	g_autoptr(GByteArray) bytes = aml_finish(aml);

	assert_int_equal(bytes->len, length);
	assert_memory_equal(bytes->data, expected, length);
}

static void integers(void **unused)
{
	static const uint8_t expected[] = {
		0x08, 'A', '_', '_', '_', 0x00,
		0x08, 'A', 'B', '_', '_', 0x01,
		0x08, 'A', 'B', 'C', '_', 0x0a, 0xff,
		0x08, 'A', 'B', 'C', 'D', 0x0b, 0x00, 0x01,
		0x08, 'A', '_', '_', '_', 0x0b, 0xff, 0xff,
		0x08, 'A', '_', '_', '_', 0x0c, 0x00, 0x00, 0x01, 0x00,
		0x08, 'A', '_', '_', '_', 0x0c, 0xff, 0xff, 0xff, 0xff,
		0x08, 'A', '_', '_', '_', 0x0e, 0, 0, 0, 0, 1, 0, 0, 0,
	};
	struct aml *aml = aml_new();

	(void)unused;
	aml_name_integer(aml, "A", 0);
	aml_name_integer(aml, "AB", 1);
	aml_name_integer(aml, "ABC", 0xff);
	aml_name_integer(aml, "ABCD", 0x100);
	aml_name_integer(aml, "A", 0xffff);
	aml_name_integer(aml, "A", 0x10000);
	aml_name_integer(aml, "A", 0xffffffff);
	aml_name_integer(aml, "A", 0x100000000ull);
	check_bytes(aml, expected, sizeof(expected));
}

static void names(void **unused)
{
	static const uint8_t expected[] = {
		0x08, '\\', '_', 'S', '5', '_', 0x00,
		0x08, '\\', 0x2e, '_', 'S', 'B', '_', 'A', '_', '_', '_', 0x00,
		0x08, 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_', 0x00,
		0x08, 'A', '_', '_', '_', 0x0d, 'h', 'i', 0x00,
		0x08, 'A', '_', '_', '_', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
	};
	struct aml *aml = aml_new();

	(void)unused;
	aml_name_integer(aml, "\\_S5", 0);
	aml_name_integer(aml, "\\_SB.A", 0);
	aml_name_integer(aml, "A.B.C", 0);
	aml_name_string(aml, "A", "hi");
	aml_name_eisa_id(aml, "A", "PNP0A03");
	check_bytes(aml, expected, sizeof(expected));
}

static void blocks(void **unused)
{
	static const uint8_t expected[] = {
		0x10, 27, '\\', '_', 'S', 'B', '_',
		0x5b, 0x82, 19, 'D', 'E', 'V', '_',
		0x08, '_', 'C', 'R', 'S', 0x11, 8, 0x0a, 5, 0x22, 0x10, 0x00, 0x79, 0x00,
		0x08, 'P', '_', '_', '_', 0x12, 5, 2, 0x01, 0x0a, 2,
	};
	static const uint64_t values[] = { 1, 2 };
	struct aml *aml = aml_new();

	(void)unused;
	aml_scope(aml, "\\_SB");
	aml_device(aml, "DEV");
	aml_resources(aml, "_CRS");
	aml_resource_irq(aml, 4);
	aml_end(aml);
	aml_end(aml);
	aml_end(aml);
	aml_name_package(aml, "P", values, 2);
	check_bytes(aml, expected, sizeof(expected));
}

static void methods(void **unused)
{
	static const uint8_t expected[] = {
		0x14, 33, 'M', '_', '_', '_', 0x0a,	/* two arguments, serialized */
		0xa0, 17, 0x93, 0x69, 0x11, 5, 0x0a, 2, 'h', 'i',
		0x8a, 0x68, 0x0a, 4, 'A', '_', '_', '_',
		0x7b, 0x60, 0x01, 0x60,
		0xa4, 'A', '_', '_', '_',
	};
	struct aml *aml = aml_new();

	(void)unused;
	aml_method(aml, "M", 2);
	aml_if(aml);
	aml_op(aml, AML_EQUAL);
	aml_argument(aml, 1);
	aml_buffer(aml, "hi", 2);
	aml_op(aml, AML_CREATE_DWORD_FIELD);
	aml_argument(aml, 0);
	aml_integer(aml, 4);
	aml_reference(aml, "A");
	aml_end(aml);
	aml_op(aml, AML_AND);
	aml_local(aml, 0);
	aml_integer(aml, 1);
	aml_local(aml, 0);
	aml_op(aml, AML_RETURN);
	aml_reference(aml, "A");
	aml_end(aml);
	check_bytes(aml, expected, sizeof(expected));
}

static void packages(void **unused)
{
	static const uint8_t expected[] = {
		0x08, 'P', '_', '_', '_', 0x12, 12, 2,
		0x12, 4, 2, 0x00, 0x01,
		0x12, 4, 1, 0x0a, 2,
	};
	static const uint64_t values[] = { 0, 1, 2 };
	struct aml *aml = aml_new();

	(void)unused;
	aml_package(aml, "P");
	aml_element_package(aml, values, 2);
	aml_element_package(aml, values + 2, 1);
	aml_end(aml);
	check_bytes(aml, expected, sizeof(expected));
}

/* A scope whose contents have `content` bytes, with its name. */
static GByteArray *scope_of(size_t content)
{
	/* name of the scope, NameOp, name, StringOp and the string's NUL */
	g_autofree char *filling = g_strnfill(content - (4 + 1 + 4 + 1 + 1), 'x');
	struct aml *aml = aml_new();

	aml_scope(aml, "S");
	aml_name_string(aml, "A", filling);
	aml_end(aml);
	return aml_finish(aml);
}

static void package_lengths(void **unused)
{
	static const struct {
		size_t content;
		size_t extra;	/* bytes behind the first one of the length */
	} rows[] = {
		{ 62, 0 }, { 63, 1 }, { 64, 1 }, { 4093, 1 }, { 4094, 2 }, { 4095, 2 },
		{ (1 << 20) - 4, 2 }, { (1 << 20) - 3, 3 }, { 1 << 20, 3 },
	};

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GByteArray) bytes = scope_of(rows[i].content);
		size_t length = bytes->data[1] & 0x3f;

		assert_int_equal(bytes->data[1] >> 6, rows[i].extra);
		if (rows[i].extra)
			assert_int_equal(length & 0x30, 0);
		for (size_t j = 0; j < rows[i].extra; j++)
			length |= (size_t)bytes->data[2 + j] << (4 + 8 * j);
		assert_int_equal(length, rows[i].content + 1 + rows[i].extra);
		assert_int_equal(bytes->len, 1 + length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(names),
		cmocka_unit_test(blocks),
		cmocka_unit_test(methods),
		cmocka_unit_test(packages),
		cmocka_unit_test(package_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
