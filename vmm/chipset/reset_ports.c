// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reset by port: the PS/2's system control port A (0x92) and the PCI chipsets' reset
 * control register (0xcf9).
 *
 * Source: Intel 82371SB data sheet ("RC - Reset Control Register", "Port 92 Register").
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define PORT92_FAST_INIT	0x01
#define PORT92_A20		0x02	/* kept; the A20 gate is always open */
#define PORT92_WRITABLE		0x03
#define RESET_CPU		0x04	/* 0 to 1 resets */
#define RESET_WRITABLE		0x0e

struct reset_ports {
	struct reset_ports_state state;
	struct power_sink power;
	struct port8 port92;
	struct port8 control;
};

static uint8_t port92_read(void *opaque, unsigned int offset)
{
	const struct reset_ports *reset = opaque;

	(void)offset;
	return reset->state.port92;
}

static void port92_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct reset_ports *reset = opaque;
	uint8_t rising = value & ~reset->state.port92;

	(void)offset;
	reset->state.port92 = value & PORT92_WRITABLE;
	if (rising & PORT92_FAST_INIT)
		power_request(&reset->power, POWER_RESET, 0);
}

static uint8_t control_read(void *opaque, unsigned int offset)
{
	const struct reset_ports *reset = opaque;

	(void)offset;
	return reset->state.control;
}

static void control_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct reset_ports *reset = opaque;
	uint8_t rising = value & ~reset->state.control;

	(void)offset;
	reset->state.control = value & RESET_WRITABLE;
	if (rising & RESET_CPU)
		power_request(&reset->power, POWER_RESET, 0);
}

void reset_ports_save(const struct reset_ports *reset, struct reset_ports_state *state)
{
	*state = reset->state;
}

static const struct state_field state_fields[] = {
	STATE_BITS(struct reset_ports_state, port92, PORT92_WRITABLE),
	STATE_BITS(struct reset_ports_state, control, RESET_WRITABLE),
	STATE_ZERO(struct reset_ports_state, pad),
};

gboolean reset_ports_load(struct reset_ports *reset, const struct reset_ports_state *state,
			  GError **error)
{
	if (!state_check_fields("reset ports", state_fields, G_N_ELEMENTS(state_fields), state,
				error))
		return FALSE;
	reset->state = *state;
	return TRUE;
}

struct reset_ports *reset_ports_new(struct bus *ports, struct bus *config_ports,
				    const struct power_sink *power)
{
	struct reset_ports *reset = g_new0(struct reset_ports, 1);

	reset->state.port92 = PORT92_A20;
	reset->power = *power;
	reset->port92 = (struct port8){ port92_read, port92_write, reset };
	reset->control = (struct port8){ control_read, control_write, reset };
	port8_claim(ports, "port 92", PORT92, 1, &reset->port92);
	port8_claim(config_ports, "reset control", RESET_PORT, 1, &reset->control);
	return reset;
}

void reset_ports_free(struct reset_ports *reset)
{
	g_free(reset);
}
