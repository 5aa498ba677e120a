// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "aml.h"

#define OP_ZERO			0x00
#define OP_ONE			0x01
#define OP_NAME			0x08
#define OP_BYTE			0x0a
#define OP_WORD			0x0b
#define OP_DWORD		0x0c
#define OP_STRING		0x0d
#define OP_QWORD		0x0e
#define OP_SCOPE		0x10
#define OP_BUFFER		0x11
#define OP_PACKAGE		0x12
#define OP_METHOD		0x14
#define OP_EXTENDED		0x5b
#define OP_LOCAL0		0x60
#define OP_ARG0			0x68
#define OP_IF			0xa0
#define OP_DEVICE		0x82	/* after OP_EXTENDED */
#define METHOD_SERIALIZED	0x08
#define PREFIX_ROOT		'\\'
#define PREFIX_DUAL_NAME	0x2e
#define PREFIX_MULTI_NAME	0x2f

#define RESOURCE_IRQ		0x22	/* small items with their length */
#define RESOURCE_PORTS		0x47
#define RESOURCE_END		0x79
#define RESOURCE_FIXED_MEMORY	0x86	/* large items */
#define RESOURCE_DWORD_SPACE	0x87
#define RESOURCE_WORD_SPACE	0x88
#define RESOURCE_QWORD_SPACE	0x8a
#define SPACE_MEMORY		0
#define SPACE_PORTS		1
#define SPACE_BUS		2
#define SPACE_FIXED		0x0c	/* minimum and maximum are fixed, positive decode */
#define SPACE_MEMORY_WRITABLE	0x01
#define SPACE_PORTS_ALL		0x03	/* ISA and non-ISA ranges */
#define DECODE_16_BITS		0x01

#define SEGMENT_LENGTH		4
#define SEGMENTS_MAX		8

enum block_kind {
	BLOCK_ROOT,
	BLOCK_SCOPE,
	BLOCK_DEVICE,
	BLOCK_RESOURCES,
	BLOCK_PACKAGE,
	BLOCK_METHOD,
	BLOCK_IF,
};

struct block {
	enum block_kind kind;
	uint8_t elements;		/* of a package, so far */
	GByteArray *body;
};

struct aml {
	GArray *blocks;		/* struct block, innermost last */
};

static struct block *innermost(struct aml *aml)
{
	return &g_array_index(aml->blocks, struct block, aml->blocks->len - 1);
}

static void put(GByteArray *to, const void *from, size_t length)
{
	g_byte_array_append(to, from, length);
}

static void put_byte(GByteArray *to, uint8_t byte)
{
	put(to, &byte, 1);
}

static void put_little_endian(GByteArray *to, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		put_byte(to, value >> (8 * i));
}

static void put_integer(GByteArray *to, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t op;
		uint8_t bytes;
	} forms[] = {
		{ 0, OP_ZERO, 0 },
		{ 1, OP_ONE, 0 },
		{ 0xff, OP_BYTE, 1 },
		{ 0xffff, OP_WORD, 2 },
		{ 0xffffffff, OP_DWORD, 4 },
		{ UINT64_MAX, OP_QWORD, 8 },
	};
	unsigned int i = 0;

	while (value > forms[i].max)
		i++;
	put_byte(to, forms[i].op);
	put_little_endian(to, value, forms[i].bytes);
}

/* "Name Objects Encoding". */
static void put_name(GByteArray *to, const char *name)
{
	g_auto(GStrv) segments = NULL;
	unsigned int count;

	if (*name == PREFIX_ROOT)
		put_byte(to, *name++);
	segments = g_strsplit(name, ".", SEGMENTS_MAX);
	count = g_strv_length(segments);
	if (count == 0)
		put_byte(to, 0);
	else if (count == 2)
		put_byte(to, PREFIX_DUAL_NAME);
	else if (count > 2) {
		put_byte(to, PREFIX_MULTI_NAME);
		put_byte(to, count);
	}
	for (unsigned int i = 0; i < count; i++) {
		char segment[SEGMENT_LENGTH] = { '_', '_', '_', '_' };
		size_t length = strlen(segments[i]);

		g_assert(length > 0 && length <= SEGMENT_LENGTH);
		memcpy(segment, segments[i], length);
		put(to, segment, sizeof(segment));
	}
}

/* "Package Length Encoding": one byte for lengths below 64, else a nibble and up to three
 * bytes.  The length counts its own bytes. */
static void put_package_length(GByteArray *to, size_t content)
{
	unsigned int extra = 0;
	size_t length;

	if (content + 1 < 1u << 6) {
		put_byte(to, content + 1);
		return;
	}
	do {
		extra++;
		length = content + 1 + extra;
	} while (length >= 1u << (4 + 8 * extra));
	g_assert(extra <= 3);
	put_byte(to, extra << 6 | (length & 0xf));
	put_little_endian(to, length >> 4, extra);
}

static void put_package(GByteArray *to, const GByteArray *content)
{
	put_package_length(to, content->len);
	put(to, content->data, content->len);
}

static void open_block(struct aml *aml, enum block_kind kind)
{
	struct block block = { .kind = kind, .body = g_byte_array_new() };

	g_array_append_val(aml->blocks, block);
}

struct aml *aml_new(void)
{
	struct aml *aml = g_new0(struct aml, 1);

	aml->blocks = g_array_new(FALSE, FALSE, sizeof(struct block));
	open_block(aml, BLOCK_ROOT);
	return aml;
}

GByteArray *aml_finish(struct aml *aml)
{
	GByteArray *bytes = innermost(aml)->body;

	g_assert(innermost(aml)->kind == BLOCK_ROOT);
	g_array_free(aml->blocks, TRUE);
	g_free(aml);
	return bytes;
}

void aml_scope(struct aml *aml, const char *name)
{
	open_block(aml, BLOCK_SCOPE);
	put_name(innermost(aml)->body, name);
}

void aml_device(struct aml *aml, const char *name)
{
	open_block(aml, BLOCK_DEVICE);
	put_name(innermost(aml)->body, name);
}

static void end_scope(GByteArray *to, GByteArray *body)
{
	put_byte(to, OP_SCOPE);
	put_package(to, body);
}

static void end_device(GByteArray *to, GByteArray *body)
{
	put_byte(to, OP_EXTENDED);
	put_byte(to, OP_DEVICE);
	put_package(to, body);
}

static void end_resources(GByteArray *to, GByteArray *body)
{
	g_autoptr(GByteArray) buffer = g_byte_array_new();

	put_byte(body, RESOURCE_END);
	put_byte(body, 0);	/* no checksum */
	put_integer(buffer, body->len);
	put(buffer, body->data, body->len);
	put_byte(to, OP_BUFFER);
	put_package(to, buffer);
}

static void end_package(GByteArray *to, GByteArray *body, uint8_t elements)
{
	g_byte_array_prepend(body, &elements, 1);
	put_byte(to, OP_PACKAGE);
	put_package(to, body);
}

static void end_method(GByteArray *to, GByteArray *body)
{
	put_byte(to, OP_METHOD);
	put_package(to, body);
}

static void end_if(GByteArray *to, GByteArray *body)
{
	put_byte(to, OP_IF);
	put_package(to, body);
}

static void end_block(GByteArray *to, struct block *block)
{
	switch (block->kind) {
	case BLOCK_SCOPE:
		return end_scope(to, block->body);
	case BLOCK_DEVICE:
		return end_device(to, block->body);
	case BLOCK_RESOURCES:
		return end_resources(to, block->body);
	case BLOCK_PACKAGE:
		return end_package(to, block->body, block->elements);
	case BLOCK_METHOD:
		return end_method(to, block->body);
	case BLOCK_IF:
		return end_if(to, block->body);
	case BLOCK_ROOT:
		g_assert_not_reached();
	}
}

void aml_end(struct aml *aml)
{
	struct block block = *innermost(aml);

	g_assert(block.kind != BLOCK_ROOT);
	g_array_set_size(aml->blocks, aml->blocks->len - 1);
	end_block(innermost(aml)->body, &block);
	g_byte_array_unref(block.body);
}

static GByteArray *open_name(struct aml *aml, const char *name)
{
	GByteArray *to = innermost(aml)->body;

	put_byte(to, OP_NAME);
	put_name(to, name);
	return to;
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	put_integer(open_name(aml, name), value);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
	GByteArray *to = open_name(aml, name);

	put_byte(to, OP_STRING);
	put(to, value, strlen(value) + 1);
}

/* Three letters of 5 bits each and four hexadecimal digits, big-endian. */
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id)
{
	uint32_t value = (id[0] & 0x1fu) << 26 | (id[1] & 0x1fu) << 21 | (id[2] & 0x1fu) << 16;

	g_assert(strlen(id) == 7);
	for (unsigned int i = 0; i < 4; i++)
		value |= (uint32_t)g_ascii_xdigit_value(id[3 + i]) << (4 * (3 - i));
	put_integer(open_name(aml, name), GUINT32_SWAP_LE_BE(value));
}

void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, uint8_t count)
{
	g_autoptr(GByteArray) body = g_byte_array_new();
	GByteArray *to = open_name(aml, name);

	put_byte(body, count);
	for (unsigned int i = 0; i < count; i++)
		put_integer(body, values[i]);
	put_byte(to, OP_PACKAGE);
	put_package(to, body);
}

void aml_package(struct aml *aml, const char *name)
{
	open_name(aml, name);
	open_block(aml, BLOCK_PACKAGE);
}

void aml_element_package(struct aml *aml, const uint64_t *values, uint8_t count)
{
	struct block *package = innermost(aml);
	g_autoptr(GByteArray) body = g_byte_array_new();

	g_assert(package->kind == BLOCK_PACKAGE && package->elements < UINT8_MAX);
	package->elements++;
	for (unsigned int i = 0; i < count; i++)
		put_integer(body, values[i]);
	end_package(package->body, body, count);
}

void aml_method(struct aml *aml, const char *name, unsigned int arguments)
{
	g_assert(arguments <= 7);
	open_block(aml, BLOCK_METHOD);
	put_name(innermost(aml)->body, name);
	put_byte(innermost(aml)->body, arguments | METHOD_SERIALIZED);
}

void aml_if(struct aml *aml)
{
	open_block(aml, BLOCK_IF);
}

void aml_op(struct aml *aml, enum aml_op op)
{
	put_byte(innermost(aml)->body, op);
}

void aml_integer(struct aml *aml, uint64_t value)
{
	put_integer(innermost(aml)->body, value);
}

void aml_reference(struct aml *aml, const char *name)
{
	put_name(innermost(aml)->body, name);
}

void aml_argument(struct aml *aml, unsigned int number)
{
	g_assert(number < 7);
	put_byte(innermost(aml)->body, OP_ARG0 + number);
}

void aml_local(struct aml *aml, unsigned int number)
{
	g_assert(number < 8);
	put_byte(innermost(aml)->body, OP_LOCAL0 + number);
}

void aml_buffer(struct aml *aml, const void *bytes, uint8_t count)
{
	g_autoptr(GByteArray) body = g_byte_array_new();

	put_integer(body, count);
	put(body, bytes, count);
	put_byte(innermost(aml)->body, OP_BUFFER);
	put_package(innermost(aml)->body, body);
}

void aml_resources(struct aml *aml, const char *name)
{
	open_name(aml, name);
	open_block(aml, BLOCK_RESOURCES);
}

static GByteArray *template_body(struct aml *aml)
{
	g_assert(innermost(aml)->kind == BLOCK_RESOURCES);
	return innermost(aml)->body;
}

void aml_resource_ports(struct aml *aml, uint16_t first, uint8_t count)
{
	GByteArray *to = template_body(aml);

	put_byte(to, RESOURCE_PORTS);
	put_byte(to, DECODE_16_BITS);
	put_little_endian(to, first, 2);
	put_little_endian(to, first, 2);
	put_byte(to, 1);	/* alignment */
	put_byte(to, count);
}

void aml_resource_irq(struct aml *aml, unsigned int irq)
{
	GByteArray *to = template_body(aml);

	g_assert(irq < 16);
	put_byte(to, RESOURCE_IRQ);
	put_little_endian(to, 1u << irq, 2);
}

void aml_resource_fixed_memory(struct aml *aml, uint32_t first, uint32_t size)
{
	GByteArray *to = template_body(aml);

	put_byte(to, RESOURCE_FIXED_MEMORY);
	put_little_endian(to, 9, 2);
	put_byte(to, SPACE_MEMORY_WRITABLE);
	put_little_endian(to, first, 4);
	put_little_endian(to, size, 4);
}

static uint8_t window_item(unsigned int bytes)
{
	if (bytes == 2)
		return RESOURCE_WORD_SPACE;
	return bytes == 4 ? RESOURCE_DWORD_SPACE : RESOURCE_QWORD_SPACE;
}

/* "Address Space Resource Descriptors" with fields of 2, 4 or 8 bytes. */
static void put_window(GByteArray *to, uint8_t kind, uint8_t flags, unsigned int bytes,
		       uint64_t first, uint64_t last)
{
	put_byte(to, window_item(bytes));
	put_little_endian(to, 3 + 5 * bytes, 2);
	put_byte(to, kind);
	put_byte(to, SPACE_FIXED);
	put_byte(to, flags);
	put_little_endian(to, 0, bytes);	/* granularity */
	put_little_endian(to, first, bytes);
	put_little_endian(to, last, bytes);
	put_little_endian(to, 0, bytes);	/* translation offset */
	put_little_endian(to, last - first + 1, bytes);
}

void aml_resource_bus_window(struct aml *aml, uint8_t first, uint8_t last)
{
	put_window(template_body(aml), SPACE_BUS, 0, 2, first, last);
}

void aml_resource_port_window(struct aml *aml, uint16_t first, uint16_t last)
{
	put_window(template_body(aml), SPACE_PORTS, SPACE_PORTS_ALL, 2, first, last);
}

void aml_resource_memory_window(struct aml *aml, uint32_t first, uint32_t last)
{
	put_window(template_body(aml), SPACE_MEMORY, SPACE_MEMORY_WRITABLE, 4, first, last);
}

void aml_resource_memory64_window(struct aml *aml, uint64_t first, uint64_t last)
{
	put_window(template_body(aml), SPACE_MEMORY, SPACE_MEMORY_WRITABLE, 8, first, last);
}
