// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ACPI fixed hardware: PM1a event and control blocks, the PM timer, the power button and
 * the way to S5.  There is no SMI_CMD, so the machine is always in ACPI mode.
 *
 * Source: ACPI specification, "ACPI Hardware Specification": "PM1 Event Grouping", "PM1
 * Control Registers", "Power Management Timer (PM_TMR)", "Power Button".
 */
#include <string.h>

#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define PM_LENGTH		12
#define OFFSET_STATUS		0
#define OFFSET_ENABLE		2
#define OFFSET_CONTROL		4
#define OFFSET_TIMER		8

#define PM1_TMR			0x0001
#define PM1_GBL			0x0020
#define PM1_PWRBTN		0x0100
#define PM1_SLPBTN		0x0200
#define PM1_RTC			0x0400
#define PM1_WAK			0x8000
#define STATUS_CLEARABLE	(PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC | PM1_WAK)
#define ENABLE_WRITABLE		(PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC)

#define CNT_SCI_EN		0x0001
#define CNT_BM_RLD		0x0002
#define CNT_SLP_TYP_SHIFT	10
#define CNT_SLP_TYP		(7 << CNT_SLP_TYP_SHIFT)
#define CNT_SLP_EN		0x2000	/* write-only, as GBL_RLS is */
#define CNT_WRITABLE		(CNT_BM_RLD | CNT_SLP_TYP)

#define TIMER_BITS		32	/* as the FADT's TMR_VAL_EXT says */

struct pm {
	struct pm_state state;
	struct clock *clock;
	struct clock_timer *timer;
	struct irq_line sci;
	struct power_sink power;
};

static uint64_t timer_ticks(const struct pm *pm)
{
	return (unsigned __int128)clock_now(pm->clock) * PM_TIMER_HZ / 1000000000;
}

/* TMR_STS is set when the timer's top bit changes. */
static void sync_timer(struct pm *pm)
{
	uint64_t halves = timer_ticks(pm) >> (TIMER_BITS - 1);

	if (halves != pm->state.timer_halves)
		pm->state.status |= PM1_TMR;
	pm->state.timer_halves = halves;
}

/* Drives the SCI, and waits for the timer only if that would change the SCI. */
static void update(struct pm *pm)
{
	uint64_t next;

	irq_set(&pm->sci, (pm->state.status & pm->state.enable) != 0);
	if (!(pm->state.enable & PM1_TMR) || (pm->state.status & PM1_TMR)) {
		clock_timer_cancel(pm->timer);
		return;
	}
	next = (pm->state.timer_halves + 1) << (TIMER_BITS - 1);
	clock_timer_set(pm->timer,
			((unsigned __int128)next * 1000000000 + PM_TIMER_HZ - 1) / PM_TIMER_HZ);
}

static void timer_expired(void *opaque)
{
	sync_timer(opaque);
	update(opaque);
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct pm *pm = opaque;
	uint8_t image[PM_LENGTH + 8] = { 0 };
	uint32_t timer = timer_ticks(pm);
	uint64_t value;

	(void)size;	/* the bus takes what it wants */
	if (offset < OFFSET_TIMER) {
		sync_timer(pm);
		update(pm);
	}
	memcpy(image + OFFSET_STATUS, &pm->state.status, 2);
	memcpy(image + OFFSET_ENABLE, &pm->state.enable, 2);
	memcpy(image + OFFSET_CONTROL, &pm->state.control, 2);
	memcpy(image + OFFSET_TIMER, &timer, 4);
	memcpy(&value, image + offset, sizeof(value));
	return value;
}

static void write_control_high(struct pm *pm, uint16_t value)
{
	unsigned int sleep_type = (value & CNT_SLP_TYP) >> CNT_SLP_TYP_SHIFT;

	/* No other sleeping state is offered: nothing happens for their types. */
	if ((value & CNT_SLP_EN) && sleep_type == PM_S5_SLEEP_TYPE)
		power_request(&pm->power, POWER_OFF, 0);
}

static void write_byte(struct pm *pm, uint64_t offset, uint8_t byte)
{
	unsigned int shift = offset & 1 ? 8 : 0;
	uint16_t bits = 0xff << shift, value = byte << shift;

	switch (offset & ~1ull) {
	case OFFSET_STATUS:
		pm->state.status &= ~(value & STATUS_CLEARABLE);
		break;
	case OFFSET_ENABLE:
		bits &= ENABLE_WRITABLE;
		pm->state.enable = (pm->state.enable & ~bits) | (value & bits);
		break;
	case OFFSET_CONTROL:
		bits &= CNT_WRITABLE;
		pm->state.control = (pm->state.control & ~bits) | (value & bits);
		if (shift)
			write_control_high(pm, value);
		break;
	}
}

static void pm_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pm *pm = opaque;

	sync_timer(pm);
	for (unsigned int i = 0; i < size; i++)
		write_byte(pm, offset + i, value >> (8 * i));
	update(pm);
}

static const struct bus_ops pm_ops = { .read = pm_read, .write = pm_write };

void pm_press_power_button(struct pm *pm)
{
	sync_timer(pm);
	pm->state.status |= PM1_PWRBTN;
	update(pm);
}

void pm_save(const struct pm *pm, struct pm_state *state)
{
	*state = pm->state;
}

static const struct state_field state_fields[] = {
	STATE_BITS(struct pm_state, status, PM1_TMR | PM1_PWRBTN),
	STATE_BITS(struct pm_state, enable, ENABLE_WRITABLE),
	STATE_BITS(struct pm_state, control, CNT_WRITABLE | CNT_SCI_EN),
	STATE_ZERO(struct pm_state, pad),
};

gboolean pm_load(struct pm *pm, const struct pm_state *state, GError **error)
{
	static const char name[] = "ACPI timer and power button";

	if (!state_check_fields(name, state_fields, G_N_ELEMENTS(state_fields), state, error) ||
	    !state_check(state->control & CNT_SCI_EN, name, "control", error) ||
	    !state_check(state->timer_halves <= timer_ticks(pm) >> (TIMER_BITS - 1), name,
			 "timer_halves", error))
		return FALSE;
	pm->state = *state;
	update(pm);
	return TRUE;
}

struct pm *pm_new(struct bus *ports, struct clock *clock, struct irq_line sci,
		  const struct power_sink *power)
{
	struct pm *pm = g_new0(struct pm, 1);

	pm->state.control = CNT_SCI_EN;
	pm->clock = clock;
	pm->timer = clock_timer_new(clock, timer_expired, pm);
	pm->sci = sci;
	pm->power = *power;
	chip_claim(ports, "acpi pm", PM_BASE, PM_LENGTH, &pm_ops, pm);
	return pm;
}

void pm_free(struct pm *pm)
{
	if (!pm)
		return;
	clock_timer_free(pm->timer);
	g_free(pm);
}
