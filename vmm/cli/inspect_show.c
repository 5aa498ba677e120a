// SPDX-License-Identifier: GPL-2.0-or-later
#include "inspect.h"

#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "../state/memory.h"
#include "../state/vcpu.h"
#include "../vcpu.h"

char *inspect_escape(const char *bytes, size_t length)
{
	g_autofree char *valid = g_utf8_make_valid(bytes, strnlen(bytes, length));
	GString *text = g_string_new(NULL);
	gunichar character;

	for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
		character = g_utf8_get_char(at);
		if (g_unichar_isprint(character))
			g_string_append_unichar(text, character);
		else
			g_string_append_printf(text, "\\u%04" PRIx32, character);
	}
	return g_string_free(text, FALSE);
}

/* ------------------------------------------------------------ text */

static char *time_text(uint64_t ns)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(ns / 1000000000);

	return g_date_time_format(time, "%Y-%m-%d %H:%M:%S UTC");
}

static void append_origin(GString *text, const struct state_reader *reader)
{
	const struct state_origin *origin;
	size_t length;

	origin = state_reader_find(reader, STATE_ORIGIN, 0, &length);
	if (origin) {
		g_autofree char *name = inspect_escape(origin->name, sizeof(origin->name));
		g_autofree char *program = inspect_escape(origin->program,
							  sizeof(origin->program));
		g_autofree char *time = time_text(origin->created_ns);

		g_string_append_printf(text, "guest            %s\n"
				       "saved            %s, by %s\n", name, time, program);
	}
}

static gboolean append_memory(GString *text, const struct state_reader *reader, GError **error)
{
	const struct state_memory *range;
	GError *problem = NULL;

	for (uint32_t i = 0; (range = state_memory_range(reader, i, &problem)); i++)
		g_string_append_printf(text, "memory           %" PRIu64 " MiB at 0x%" PRIx64
				       ", %" PRIu64 " KiB of it not zero; at byte %" PRIu64
				       " of the file\n", range->size >> 20, range->gpa,
				       range->pages * (STATE_PAGE >> 10), range->offset);
	if (!problem)
		return TRUE;
	g_propagate_error(error, problem);
	return FALSE;
}

static void append_machine(GString *text, const struct state_reader *reader)
{
	const char *machine;
	size_t length;

	machine = state_reader_find(reader, STATE_MACHINE, 0, &length);
	if (machine) {
		g_autofree char *words = inspect_escape(machine, length);

		g_string_append_printf(text, "configuration    %s\n", words);
	}
}

static void append_records(GString *text, const struct state_reader *reader)
{
	const struct state_record *record;
	const struct state_type_row *row;

	g_string_append(text, "\nTYPE   INSTANCE   LENGTH NAME             WHAT\n");
	for (size_t i = 0; (record = state_reader_nth(reader, i)); i++) {
		row = state_type_find(record->type);
		g_string_append_printf(text, "0x%04" PRIx32 " %8" PRIu32 " %8" PRIu64 " %-16s %s\n",
				       record->type, record->instance, record->length,
				       row ? row->name : "?", row ? row->what : "of a newer mica");
	}
}

static gboolean append_vcpus(GString *text, const struct state_reader *reader, GError **error)
{
	unsigned int count = state_vcpu_count(reader);
	struct mica_vcpu_state state;

	for (unsigned int i = 0; i < count; i++) {
		g_autofree char *registers = NULL;

		if (!state_vcpu_registers(reader, i, &state, error))
			return FALSE;
		registers = vcpu_state_text(&state);
		g_string_append_printf(text, "\nvCPU %u\n%s", i, registers);
	}
	return TRUE;
}

char *inspect_text(const struct state_reader *reader, GError **error)
{
	const struct state_header *header = state_reader_header(reader);
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_append_printf(text, "format           %" PRIu32 ", %" PRIu64 " bytes of records in "
			       "a file of %" PRIu64 " MiB\n", header->version,
			       header->records_length, header->file_size >> 20);
	append_origin(text, reader);
	g_string_append_printf(text, "vcpus            %u\n", state_vcpu_count(reader));
	if (!append_memory(text, reader, error))
		return NULL;
	append_machine(text, reader);
	append_records(text, reader);
	if (!append_vcpus(text, reader, error))
		return NULL;
	return g_strdup(text->str);
}

/* ------------------------------------------------------------ JSON */

static void add_text(JsonBuilder *builder, const char *name, const char *bytes, size_t length)
{
	g_autofree char *valid = g_utf8_make_valid(bytes, strnlen(bytes, length));

	json_builder_set_member_name(builder, name);
	json_builder_add_string_value(builder, valid);
}

static void add_integer(JsonBuilder *builder, const char *name, uint64_t value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_int_value(builder, value);
}

/* Numbers of JSON have 53 bits. */
static void add_hex(JsonBuilder *builder, const char *name, uint64_t value)
{
	g_autofree char *text = g_strdup_printf("0x%" PRIx64, value);

	json_builder_set_member_name(builder, name);
	json_builder_add_string_value(builder, text);
}

static void add_origin(JsonBuilder *builder, const struct state_reader *reader)
{
	const struct state_origin *origin;
	size_t length;

	origin = state_reader_find(reader, STATE_ORIGIN, 0, &length);
	if (!origin)
		return;
	add_text(builder, "guest", origin->name, sizeof(origin->name));
	add_text(builder, "program", origin->program, sizeof(origin->program));
	add_integer(builder, "created", origin->created_ns / 1000000000);
}

static gboolean add_memory(JsonBuilder *builder, const struct state_reader *reader, GError **error)
{
	const struct state_memory *range;
	GError *problem = NULL;

	json_builder_set_member_name(builder, "memory");
	json_builder_begin_array(builder);
	for (uint32_t i = 0; (range = state_memory_range(reader, i, &problem)); i++) {
		json_builder_begin_object(builder);
		add_integer(builder, "gpa", range->gpa);
		add_integer(builder, "size", range->size);
		add_integer(builder, "offset", range->offset);
		add_integer(builder, "pages", range->pages);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	if (!problem)
		return TRUE;
	g_propagate_error(error, problem);
	return FALSE;
}

static void add_machine(JsonBuilder *builder, const struct state_reader *reader)
{
	const char *machine;
	size_t length;

	machine = state_reader_find(reader, STATE_MACHINE, 0, &length);
	if (machine)
		add_text(builder, "configuration", machine, length);
}

static void add_records(JsonBuilder *builder, const struct state_reader *reader)
{
	const struct state_record *record;
	const struct state_type_row *row;

	json_builder_set_member_name(builder, "records");
	json_builder_begin_array(builder);
	for (size_t i = 0; (record = state_reader_nth(reader, i)); i++) {
		row = state_type_find(record->type);
		json_builder_begin_object(builder);
		add_integer(builder, "type", record->type);
		add_integer(builder, "instance", record->instance);
		add_integer(builder, "length", record->length);
		if (row)
			add_text(builder, "name", row->name, strlen(row->name));
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void add_segment(JsonBuilder *builder, const char *name, const struct mica_segment *segment)
{
	json_builder_set_member_name(builder, name);
	json_builder_begin_object(builder);
	add_hex(builder, "base", segment->base);
	add_hex(builder, "limit", segment->limit);
	add_hex(builder, "attr", segment->attr);
	add_hex(builder, "selector", segment->selector);
	json_builder_end_object(builder);
}

static void add_registers(JsonBuilder *builder, const struct mica_vcpu_state *state)
{
#define MICA_STATE_GPR(name, tag, check)	add_hex(builder, #name, state->gprs.name);
#define MICA_STATE_CR(name, tag, check)		add_hex(builder, #name, state->crs.name);
#define MICA_STATE_DR(name, tag, check)		add_hex(builder, #name, state->drs.name);
#define MICA_STATE_MSR(name, index, tag, check)	add_hex(builder, #name, state->msrs.name);
#define MICA_STATE_EVENT(name, tag, check)	add_hex(builder, #name, state->events.name);
#define MICA_STATE_SEG(name, tag)		add_segment(builder, #name, &state->segs.name);
#include <vcpu_state.def>
}

static gboolean add_vcpus(JsonBuilder *builder, const struct state_reader *reader, GError **error)
{
	unsigned int count = state_vcpu_count(reader);
	struct mica_vcpu_state state;

	json_builder_set_member_name(builder, "vcpus");
	json_builder_begin_array(builder);
	for (unsigned int i = 0; i < count; i++) {
		if (!state_vcpu_registers(reader, i, &state, error))
			return FALSE;
		json_builder_begin_object(builder);
		add_registers(builder, &state);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	return TRUE;
}

char *inspect_json(const struct state_reader *reader, gboolean verified, GError **error)
{
	const struct state_header *header = state_reader_header(reader);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autofree char *text = NULL;
	g_autoptr(JsonNode) root = NULL;

	json_builder_begin_object(builder);
	add_integer(builder, "format", header->version);
	add_integer(builder, "file_size", header->file_size);
	add_origin(builder, reader);
	if (!add_memory(builder, reader, error))
		return NULL;
	add_machine(builder, reader);
	add_records(builder, reader);
	if (!add_vcpus(builder, reader, error))
		return NULL;
	json_builder_set_member_name(builder, "verified");
	json_builder_add_boolean_value(builder, verified);
	json_builder_end_object(builder);
	root = json_builder_get_root(builder);
	text = json_to_string(root, FALSE);
	return g_strconcat(text, "\n", NULL);
}
