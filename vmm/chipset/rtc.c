// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MC146818 real-time clock with 128 bytes of CMOS memory.
 *
 * The time registers hold the time of one second of the host's clock and are advanced
 * when somebody looks, so that the guest's own setting is kept as an offset to it, and
 * the guest's clock is right again after a pause.
 *
 * Source: Motorola MC146818A data sheet ("Registers", "Interrupts", "Update Cycle").
 * Bytes 0x0e and up: the PC/AT's CMOS layout.
 */
#include "chipset.h"
#include "port8.h"
#include "rtc_time.h"
#include "state.h"
#include "state_check.h"

#define RTC_PORTS		2
#define PORT_INDEX		0
#define INDEX_MASK		0x7f	/* bit 7 of the port masks NMI on a PC: nothing here */

#define A_UIP			0x80
#define A_DIVIDER_RESET		0x60
#define A_RATE			0x0f
#define A_32KHZ_1024HZ		0x26	/* 32768 Hz time base, 1024 Hz periodic rate */

#define C_IRQF			0x80
#define C_PF			0x40
#define C_AF			0x20
#define C_UF			0x10
#define C_FLAGS			(C_PF | C_AF | C_UF)	/* the same bits enable them in B */

#define D_VRT			0x80

#define CMOS_EQUIPMENT		0x14
#define EQUIPMENT_FPU		0x02
#define CMOS_BASE_KIB		0x15
#define CMOS_EXTENDED_KIB	0x17	/* from 1 MiB on */
#define CMOS_CHECKSUM_FIRST	0x10
#define CMOS_CHECKSUM_LAST	0x2d
#define CMOS_CHECKSUM		0x2e
#define CMOS_EXTENDED_KIB_2	0x30
#define CMOS_ABOVE_16M		0x34	/* in units of 64 KiB */
#define CMOS_ABOVE_4G		0x5b	/* in units of 64 KiB, three bytes */

#define CRYSTAL_HZ		32768
#define SECOND_US		1000000
#define SECOND_NS		1000000000ull
#define UIP_US			244	/* UIP is set that long before an update */
#define DIVIDER_START_US	500000	/* after a divider reset the first second is half a one */
#define ALARM_RECHECK_S		60	/* the host's clock may be set: look again that soon */

struct rtc {
	struct rtc_state state;
	struct clock *clock;
	struct clock_timer *timer;
	struct irq_line irq;
	struct port8 port;
};

static bool divider_is_reset(const struct rtc_state *state)
{
	return (state->cmos[RTC_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static bool is_running(const struct rtc_state *state)
{
	return !(state->cmos[RTC_B] & RTC_B_SET) && !divider_is_reset(state);
}

static int64_t wall_us(const struct rtc *rtc)
{
	uint32_t microseconds;
	int64_t seconds;

	clock_wall(rtc->clock, &seconds, &microseconds);
	return seconds * SECOND_US + microseconds;
}

/* Microseconds of the shifted host clock. */
static int64_t now_us(const struct rtc *rtc)
{
	return wall_us(rtc) + rtc->state.phase_us + rtc->state.kept_us;
}

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static uint64_t crystal_ticks(const struct rtc *rtc)
{
	return (unsigned __int128)clock_now(rtc->clock) * CRYSTAL_HZ / SECOND_NS;
}

/* Crystal ticks between periodic interrupts, 0 for none.  Rates 1 and 2 are those of 8
 * and 9 with this time base. */
static uint64_t period_ticks(const struct rtc_state *state)
{
	unsigned int rate = state->cmos[RTC_A] & A_RATE;

	if (!rate || divider_is_reset(state))
		return 0;
	return 1u << (rate <= 2 ? rate + 6 : rate - 1);
}

static void sync_periodic(struct rtc *rtc)
{
	uint64_t period = period_ticks(&rtc->state);
	uint64_t periods;

	if (!period)
		return;
	periods = crystal_ticks(rtc) / period;
	if (periods != rtc->state.periods)
		rtc->state.cmos[RTC_C] |= C_PF;
	rtc->state.periods = periods;
}

static void sync_seconds(struct rtc *rtc)
{
	struct rtc_state *state = &rtc->state;
	int64_t second, passed;
	unsigned int alarm;

	if (!is_running(state))
		return;
	second = floor_div(now_us(rtc), SECOND_US);
	passed = second - state->second;
	if (!passed)
		return;
	/* A host clock that is set back takes ours along, silently. */
	if (passed > 0) {
		state->cmos[RTC_C] |= C_UF;
		alarm = rtc_seconds_to_alarm(state->cmos);
		if (alarm && alarm <= passed)
			state->cmos[RTC_C] |= C_AF;
	}
	rtc_advance(state->cmos, passed);
	state->second = second;
}

static uint64_t deadline_periodic(const struct rtc *rtc)
{
	uint64_t tick = (rtc->state.periods + 1) * period_ticks(&rtc->state);

	return ((unsigned __int128)tick * SECOND_NS + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

/* When `seconds` more have begun.  No later even if the host's clock is behind what the
 * registers show: it may have been set back, or be another host's. */
static uint64_t deadline_seconds(const struct rtc *rtc, int64_t seconds)
{
	int64_t us = (rtc->state.second + seconds) * SECOND_US - now_us(rtc);

	return clock_now(rtc->clock) + (uint64_t)CLAMP(us, 0, seconds * SECOND_US) * 1000;
}

/* Waits for the next event that would raise the line; nothing can while it is raised. */
static void arm(struct rtc *rtc)
{
	const struct rtc_state *state = &rtc->state;
	uint8_t enabled = state->cmos[RTC_B];
	uint64_t deadline = UINT64_MAX;
	unsigned int alarm = 0;

	if (!(state->cmos[RTC_C] & C_IRQF)) {
		if ((enabled & C_PF) && period_ticks(state))
			deadline = deadline_periodic(rtc);
		if ((enabled & C_UF) && is_running(state))
			deadline = MIN(deadline, deadline_seconds(rtc, 1));
		if ((enabled & C_AF) && is_running(state))
			alarm = rtc_seconds_to_alarm(state->cmos);
		if (alarm)
			deadline = MIN(deadline,
				       deadline_seconds(rtc, MIN(alarm, ALARM_RECHECK_S)));
	}
	if (deadline == UINT64_MAX)
		clock_timer_cancel(rtc->timer);
	else
		clock_timer_set(rtc->timer, deadline);
}

static void update(struct rtc *rtc)
{
	uint8_t *flags = &rtc->state.cmos[RTC_C];

	if (*flags & rtc->state.cmos[RTC_B] & C_FLAGS)
		*flags |= C_IRQF;
	else
		*flags &= ~C_IRQF;
	irq_set(&rtc->irq, !!(*flags & C_IRQF));
	arm(rtc);
}

static void rtc_sync(struct rtc *rtc)
{
	sync_periodic(rtc);
	sync_seconds(rtc);
}

static void timer_expired(void *opaque)
{
	rtc_sync(opaque);
	update(opaque);
}

/* The registers count on from what they hold. */
static void start_running(struct rtc *rtc)
{
	struct rtc_state *state = &rtc->state;

	if (state->divider_was_reset)
		state->phase_us += DIVIDER_START_US - now_us(rtc) % SECOND_US;
	state->divider_was_reset = 0;
	state->second = floor_div(now_us(rtc), SECOND_US);
}

static void write_a(struct rtc *rtc, uint8_t value)
{
	struct rtc_state *state = &rtc->state;
	uint64_t period = period_ticks(state);
	bool was_running = is_running(state);

	state->cmos[RTC_A] = value & ~A_UIP;
	if (divider_is_reset(state))
		state->divider_was_reset = 1;
	if (period_ticks(state) && period_ticks(state) != period)
		state->periods = crystal_ticks(rtc) / period_ticks(state);
	if (!was_running && is_running(state))
		start_running(rtc);
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	struct rtc_state *state = &rtc->state;
	bool was_running = is_running(state);

	/* SET takes the update-ended interrupt's enable bit down. */
	if (value & RTC_B_SET)
		value &= ~C_UF;
	rtc_set_format(state->cmos, value);
	if (!was_running && is_running(state))
		start_running(rtc);
}

static void write_cmos(struct rtc *rtc, uint8_t value)
{
	switch (rtc->state.index) {
	case RTC_A:
		write_a(rtc, value);
		break;
	case RTC_B:
		write_b(rtc, value);
		break;
	case RTC_C:
	case RTC_D:
		break;
	default:
		rtc->state.cmos[rtc->state.index] = value;
		break;
	}
}

static uint8_t read_a(const struct rtc *rtc)
{
	int64_t us = now_us(rtc) - rtc->state.second * SECOND_US;
	bool updating = is_running(&rtc->state) && us >= SECOND_US - UIP_US;

	return rtc->state.cmos[RTC_A] | (updating ? A_UIP : 0);
}

static uint8_t read_c(struct rtc_state *state)
{
	uint8_t flags = state->cmos[RTC_C];

	state->cmos[RTC_C] = 0;
	return flags;
}

static uint8_t read_cmos(struct rtc *rtc)
{
	switch (rtc->state.index) {
	case RTC_A:
		return read_a(rtc);
	case RTC_C:
		return read_c(&rtc->state);
	default:
		return rtc->state.cmos[rtc->state.index];
	}
}

static uint8_t port_read(void *opaque, unsigned int offset)
{
	struct rtc *rtc = opaque;
	uint8_t value;

	if (offset == PORT_INDEX)
		return 0xff;	/* write-only */
	rtc_sync(rtc);
	update(rtc);	/* so that C shows IRQF */
	value = read_cmos(rtc);
	update(rtc);
	return value;
}

static void port_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct rtc *rtc = opaque;

	if (offset == PORT_INDEX) {
		rtc->state.index = value & INDEX_MASK;
		return;
	}
	rtc_sync(rtc);
	write_cmos(rtc, value);
	update(rtc);
}

static void store(uint8_t *cmos, unsigned int index, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < bytes; i++)
		cmos[index + i] = value >> (8 * i);
}

static uint64_t size_above(uint64_t size, uint64_t from, uint64_t unit, uint64_t most)
{
	return size > from ? MIN((size - from) / unit, most) : 0;
}

static void fill_memory_sizes(uint8_t *cmos, uint64_t below_4g, uint64_t above_4g)
{
	uint64_t extended = size_above(below_4g, 1 << 20, 1 << 10, 0xffff);

	store(cmos, CMOS_BASE_KIB, 2, 640);
	store(cmos, CMOS_EXTENDED_KIB, 2, extended);
	store(cmos, CMOS_EXTENDED_KIB_2, 2, extended);
	store(cmos, CMOS_ABOVE_16M, 2, size_above(below_4g, 16 << 20, 64 << 10, 0xffff));
	store(cmos, CMOS_ABOVE_4G, 3, size_above(above_4g, 0, 64 << 10, 0xffffff));
}

/* The PC/AT's checksum, high byte first. */
static void fill_checksum(uint8_t *cmos)
{
	unsigned int sum = 0;

	for (unsigned int i = CMOS_CHECKSUM_FIRST; i <= CMOS_CHECKSUM_LAST; i++)
		sum += cmos[i];
	cmos[CMOS_CHECKSUM] = sum >> 8;
	cmos[CMOS_CHECKSUM + 1] = sum;
}

void rtc_save(const struct rtc *rtc, struct rtc_state *state)
{
	*state = rtc->state;
	state->wall_us = wall_us(rtc);
}

static const struct state_field state_fields[] = {
	STATE_MOST(struct rtc_state, index, INDEX_MASK),
	STATE_FLAG(struct rtc_state, divider_was_reset),
	STATE_ZERO(struct rtc_state, pad),
	{ "cmos[A]", offsetof(struct rtc_state, cmos) + RTC_A, 1, 1, UINT64_MAX, (uint8_t)~A_UIP },
	{ "cmos[C]", offsetof(struct rtc_state, cmos) + RTC_C, 1, 1, UINT64_MAX, C_IRQF | C_FLAGS },
};

static bool is_near(int64_t value, int64_t most)
{
	return value >= -most && value <= most;
}

static bool irqf_is_possible(const uint8_t *cmos)
{
	return !(cmos[RTC_C] & C_IRQF) == !(cmos[RTC_C] & cmos[RTC_B] & C_FLAGS);
}

static gboolean check_registers(const struct rtc_state *state, const char *name, GError **error)
{
	const uint8_t *cmos = state->cmos;
	bool reset_is_possible = state->divider_was_reset ? !is_running(state)
							  : !divider_is_reset(state);

	return state_check_fields(name, state_fields, G_N_ELEMENTS(state_fields), state, error) &&
	       state_check(!(cmos[RTC_B] & RTC_B_SET) || !(cmos[RTC_B] & C_UF), name, "cmos[B]",
			   error) &&
	       state_check(irqf_is_possible(cmos), name, "cmos[C]", error) &&
	       state_check(cmos[RTC_D] == D_VRT, name, "cmos[D]", error) &&
	       state_check(reset_is_possible, name, "divider_was_reset", error);
}

static gboolean check_times(const struct rtc *rtc, const struct rtc_state *state, const char *name,
			    GError **error)
{
	uint64_t period = period_ticks(state);
	uint64_t periods = crystal_ticks(rtc) / (period ? period : 1);

	return state_check(is_near(state->second, 3 * RTC_TIME_MAX_US / SECOND_US), name, "second",
			   error) &&
	       state_check(is_near(state->phase_us, RTC_TIME_MAX_US), name, "phase_us", error) &&
	       state_check(is_near(state->kept_us, RTC_TIME_MAX_US), name, "kept_us", error) &&
	       state_check(is_near(state->wall_us, RTC_TIME_MAX_US), name, "wall_us", error) &&
	       state_check(state->periods <= periods, name, "periods", error);
}

gboolean rtc_load(struct rtc *rtc, const struct rtc_state *state, bool keep_time, GError **error)
{
	static const char name[] = "real-time clock";
	int64_t kept_us = 0;

	if (!check_registers(state, name, error) || !check_times(rtc, state, name, error))
		return FALSE;
	if (keep_time)
		kept_us = state->kept_us + (state->wall_us - wall_us(rtc));
	if (!state_check(is_near(kept_us, RTC_TIME_MAX_US), name, "wall_us", error))
		return FALSE;
	rtc->state = *state;
	rtc->state.kept_us = kept_us;
	rtc->state.wall_us = 0;
	irq_set(&rtc->irq, !!(state->cmos[RTC_C] & C_IRQF));
	arm(rtc);
	return TRUE;
}

struct rtc *rtc_new(struct bus *ports, struct clock *clock, struct irq_line irq,
		    uint64_t ram_below_4g, uint64_t ram_above_4g)
{
	struct rtc *rtc = g_new0(struct rtc, 1);
	uint8_t *cmos = rtc->state.cmos;

	rtc->clock = clock;
	rtc->timer = clock_timer_new(clock, timer_expired, rtc);
	rtc->irq = irq;
	rtc->port = (struct port8){ port_read, port_write, rtc };
	cmos[RTC_A] = A_32KHZ_1024HZ;
	cmos[RTC_B] = RTC_B_24H;
	cmos[RTC_D] = D_VRT;
	cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU;
	fill_memory_sizes(cmos, ram_below_4g, ram_above_4g);
	fill_checksum(cmos);
	rtc->state.second = floor_div(now_us(rtc), SECOND_US);
	rtc->state.periods = crystal_ticks(rtc) / period_ticks(&rtc->state);
	rtc_set_time(cmos, rtc->state.second);
	port8_claim(ports, "rtc", RTC_PORT, RTC_PORTS, &rtc->port);
	return rtc;
}

void rtc_free(struct rtc *rtc)
{
	if (!rtc)
		return;
	clock_timer_free(rtc->timer);
	g_free(rtc);
}
