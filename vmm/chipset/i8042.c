// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 8042 keyboard controller with nothing plugged in: enough for its reset pulse, and for
 * a probe to find out at once that there is no keyboard and no mouse.  No interrupts.
 *
 * Every command that has an answer gets it before the next status read.  A byte for a
 * device is answered as the controller itself does when nobody takes it: "resend" with
 * the time-out bit, so that no kernel waits for one.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary
 * Device Controller".
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define STATUS_OBF		0x01
#define STATUS_SYSTEM		0x04
#define STATUS_COMMAND		0x08
#define STATUS_UNLOCKED		0x10
#define STATUS_AUX		0x20
#define STATUS_TIMEOUT		0x40

#define CONFIG_SYSTEM		0x04
#define CONFIG_KEYBOARD_OFF	0x10
#define CONFIG_AUX_OFF		0x20
#define CONFIG_TRANSLATE	0x40

#define CMD_READ_RAM		0x20	/* to 0x3f; byte 0 is the configuration */
#define CMD_WRITE_RAM		0x60	/* to 0x7f */
#define CMD_AUX_DISABLE		0xa7
#define CMD_AUX_ENABLE		0xa8
#define CMD_AUX_TEST		0xa9
#define CMD_SELF_TEST		0xaa
#define CMD_KEYBOARD_TEST	0xab
#define CMD_KEYBOARD_DISABLE	0xad
#define CMD_KEYBOARD_ENABLE	0xae
#define CMD_READ_INPUT		0xc0
#define CMD_READ_OUTPUT		0xd0
#define CMD_WRITE_OUTPUT	0xd1
#define CMD_KEYBOARD_LOOP	0xd2
#define CMD_AUX_LOOP		0xd3
#define CMD_AUX_SEND		0xd4
#define CMD_READ_TEST		0xe0
#define CMD_PULSE		0xf0	/* to 0xff: bits 3:0 that are 0 pulse low */

#define SELF_TEST_PASSED	0x55
#define CLOCK_STUCK_LOW		0x01	/* test result: no port there */
#define INPUT_UNLOCKED		0x80
#define OUTPUT_RUN		0x01	/* low resets the CPU */
#define OUTPUT_A20		0x02
#define DEVICE_RESEND		0xfe

struct i8042 {
	struct i8042_state state;
	struct power_sink power;
	struct port8 data;
	struct port8 command;
};

static void answer(struct i8042_state *state, uint8_t value, uint8_t flags)
{
	state->answer = value;
	state->status &= ~(STATUS_AUX | STATUS_TIMEOUT);
	state->status |= STATUS_OBF | flags;
}

static uint8_t data_read(void *opaque, unsigned int offset)
{
	struct i8042 *i8042 = opaque;

	(void)offset;
	i8042->state.status &= ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
	return i8042->state.answer;
}

static uint8_t status_read(void *opaque, unsigned int offset)
{
	const struct i8042 *i8042 = opaque;

	(void)offset;
	return i8042->state.status | STATUS_UNLOCKED;
}

static void write_output_port(struct i8042 *i8042, uint8_t value)
{
	i8042->state.output_port = value;
	if (!(value & OUTPUT_RUN))
		power_request(&i8042->power, POWER_RESET, 0);
}

static void write_ram(struct i8042_state *state, unsigned int index, uint8_t value)
{
	state->ram[index] = value;
	if (index)
		return;
	/* The second port does not exist: it stays off. */
	state->ram[0] |= CONFIG_AUX_OFF;
	state->status &= ~STATUS_SYSTEM;
	state->status |= value & CONFIG_SYSTEM;
}

static void data_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct i8042 *i8042 = opaque;
	struct i8042_state *state = &i8042->state;
	uint8_t command = state->command;

	(void)offset;
	state->command = 0;
	state->status &= ~STATUS_COMMAND;
	if (command >= CMD_WRITE_RAM && command < CMD_WRITE_RAM + I8042_RAM_SIZE)
		write_ram(state, command - CMD_WRITE_RAM, value);
	else if (command == CMD_WRITE_OUTPUT)
		write_output_port(i8042, value);
	else if (command == CMD_KEYBOARD_LOOP)
		answer(state, value, 0);
	else if (command == CMD_AUX_SEND)
		answer(state, DEVICE_RESEND, STATUS_AUX | STATUS_TIMEOUT);
	else	/* for the keyboard, or to be looped through the port that is not there */
		answer(state, DEVICE_RESEND, STATUS_TIMEOUT);
}

static void self_test(struct i8042_state *state)
{
	write_ram(state, 0, CONFIG_SYSTEM | CONFIG_KEYBOARD_OFF | CONFIG_TRANSLATE);
	answer(state, SELF_TEST_PASSED, 0);
}

static void simple_command(struct i8042_state *state, uint8_t command)
{
	switch (command) {
	case CMD_AUX_DISABLE:
	case CMD_AUX_ENABLE:
		break;
	case CMD_AUX_TEST:
		answer(state, CLOCK_STUCK_LOW, 0);
		break;
	case CMD_SELF_TEST:
		self_test(state);
		break;
	case CMD_KEYBOARD_TEST:
	case CMD_READ_TEST:
		answer(state, 0, 0);
		break;
	case CMD_KEYBOARD_DISABLE:
		state->ram[0] |= CONFIG_KEYBOARD_OFF;
		break;
	case CMD_KEYBOARD_ENABLE:
		state->ram[0] &= ~CONFIG_KEYBOARD_OFF;
		break;
	case CMD_READ_INPUT:
		answer(state, INPUT_UNLOCKED, 0);
		break;
	case CMD_READ_OUTPUT:
		answer(state, state->output_port, 0);
		break;
	case CMD_WRITE_OUTPUT:
	case CMD_KEYBOARD_LOOP:
	case CMD_AUX_LOOP:
	case CMD_AUX_SEND:
		state->command = command;
		break;
	}
}

static void command_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct i8042 *i8042 = opaque;
	struct i8042_state *state = &i8042->state;

	(void)offset;
	state->command = 0;
	state->status |= STATUS_COMMAND;
	if (value >= CMD_READ_RAM && value < CMD_READ_RAM + I8042_RAM_SIZE)
		answer(state, state->ram[value - CMD_READ_RAM], 0);
	else if (value >= CMD_WRITE_RAM && value < CMD_WRITE_RAM + I8042_RAM_SIZE)
		state->command = value;
	else if (value < CMD_PULSE)
		simple_command(state, value);
	else if (!(value & OUTPUT_RUN))
		power_request(&i8042->power, POWER_RESET, 0);
}

void i8042_save(const struct i8042 *i8042, struct i8042_state *state)
{
	*state = i8042->state;
}

static const struct state_field state_fields[] = {
	STATE_BITS(struct i8042_state, status, STATUS_OBF | STATUS_SYSTEM | STATUS_COMMAND |
		   STATUS_AUX | STATUS_TIMEOUT),
	STATE_ZERO(struct i8042_state, pad),
};

static bool command_is_possible(const struct i8042_state *state)
{
	uint8_t command = state->command;

	if (!command)
		return true;
	return (state->status & STATUS_COMMAND) &&
	       ((command >= CMD_WRITE_RAM && command < CMD_WRITE_RAM + I8042_RAM_SIZE) ||
		(command >= CMD_WRITE_OUTPUT && command <= CMD_AUX_SEND));
}

static bool status_is_possible(const struct i8042_state *state)
{
	uint8_t of_answer = STATUS_AUX | STATUS_TIMEOUT;

	G_STATIC_ASSERT(STATUS_SYSTEM == CONFIG_SYSTEM);
	return !((state->status ^ state->ram[0]) & STATUS_SYSTEM) &&
	       (!(state->status & of_answer) || (state->status & STATUS_OBF));
}

gboolean i8042_load(struct i8042 *i8042, const struct i8042_state *state, GError **error)
{
	static const char name[] = "keyboard controller";

	if (!state_check_fields(name, state_fields, G_N_ELEMENTS(state_fields), state, error) ||
	    !state_check(state->ram[0] & CONFIG_AUX_OFF, name, "ram", error) ||
	    !state_check(status_is_possible(state), name, "status", error) ||
	    !state_check(command_is_possible(state), name, "command", error))
		return FALSE;
	i8042->state = *state;
	return TRUE;
}

struct i8042 *i8042_new(struct bus *ports, const struct power_sink *power)
{
	struct i8042 *i8042 = g_new0(struct i8042, 1);

	write_ram(&i8042->state, 0, CONFIG_SYSTEM | CONFIG_KEYBOARD_OFF | CONFIG_TRANSLATE);
	i8042->state.output_port = OUTPUT_RUN | OUTPUT_A20;
	i8042->power = *power;
	i8042->data = (struct port8){ data_read, data_write, i8042 };
	i8042->command = (struct port8){ status_read, command_write, i8042 };
	port8_claim(ports, "i8042 data", I8042_DATA_PORT, 1, &i8042->data);
	port8_claim(ports, "i8042 command", I8042_COMMAND_PORT, 1, &i8042->command);
	return i8042;
}

void i8042_free(struct i8042 *i8042)
{
	g_free(i8042);
}
