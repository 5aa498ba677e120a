// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 8254 programmable interval timer.
 *
 * Counters are not stepped: a channel keeps the tick at which its count was loaded, and
 * everything else follows from the time that has passed.  Ticks are computed from the
 * machine's start, so that a period never drifts.
 *
 * Source: Intel 8254 data sheet ("Mode Definitions", "Counter Latch Command",
 * "Read-Back Command", "Operation Common to All Modes").
 *
 * Channel 0's OUT is the interrupt line.  In the periodic modes it is driven low only for
 * an instant before it rises: the phase in between is seen in no register but the
 * read-back status, which is exact.
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define CONTROL_REGISTER	3

#define ACCESS_LOW		1
#define ACCESS_HIGH		2
#define ACCESS_BOTH		3

#define STATUS_OUT		0x80
#define STATUS_NULL_COUNT	0x40
#define READ_BACK_NO_COUNT	0x20
#define READ_BACK_NO_STATUS	0x10

#define SPEAKER_GATE2		0x01
#define SPEAKER_DATA		0x02
#define SPEAKER_WRITABLE	0x0f
#define SPEAKER_REFRESH		0x10
#define SPEAKER_OUT2		0x20
#define REFRESH_NS		15085	/* a PC refreshes a row of memory that often */

/* A host that was late owes the guest ticks: this many at most are made up for, at twice
 * the rate; and however short the period, no tick follows another sooner than this. */
#define BACKLOG_MAX		16
#define INTERVAL_MIN_NS		100000

struct pit {
	struct pit_state state;
	struct clock *clock;
	struct clock_timer *timer;
	struct irq_line irq;
	struct port8 port;
	struct port8 speaker_port;
};

static int64_t ticks_from_ns(uint64_t ns)
{
	return (int64_t)((unsigned __int128)ns * PIT_HZ / 1000000000);
}

/* The first nanosecond at which ticks_from_ns() gives `ticks`. */
static uint64_t ns_from_ticks(int64_t ticks)
{
	return ((unsigned __int128)ticks * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

static int64_t now_ticks(const struct pit *pit)
{
	return ticks_from_ns(clock_now(pit->clock));
}

static bool is_periodic(const struct pit_channel_state *channel)
{
	return channel->mode == 2 || channel->mode == 3;
}

static bool is_gate_started(const struct pit_channel_state *channel)
{
	return channel->mode == 1 || channel->mode == 5;
}

/* Length of the high half of mode 3's square wave. */
static int64_t high_half(uint32_t count)
{
	return (count + 1) / 2;
}

static void sync_channel(struct pit_channel_state *channel, int64_t now)
{
	if (channel->next_count && now >= channel->next_at) {
		channel->start = channel->next_start;
		channel->count = channel->next_count;
		channel->next_count = 0;
	}
}

/* Ticks counted; negative until the tick that loads the count. */
static int64_t elapsed(const struct pit_channel_state *channel, int64_t now)
{
	if (!channel->gate && !is_gate_started(channel))
		return channel->stopped;
	return now - channel->start;
}

static int output(const struct pit_channel_state *channel, int64_t now)
{
	int64_t count = channel->count;
	int64_t ticks;

	if (!channel->running)
		return channel->mode != 0;
	if (is_periodic(channel) && !channel->gate)
		return 1;
	ticks = elapsed(channel, now);
	switch (channel->mode) {
	case 0:
		return ticks >= count;
	case 1:
		return ticks < 0 || ticks >= count;
	case 2:
		return ticks < 0 || ticks % count != count - 1;
	case 3:
		return ticks < 0 || ticks % count < high_half(count);
	default:
		return ticks != count;
	}
}

/* What the counting element of mode 3 holds: it counts down by two in each half. */
static int64_t square_wave_value(uint32_t count, int64_t ticks)
{
	int64_t position = ticks % count;

	if (position >= high_half(count))
		position -= high_half(count);
	return (count & ~1u) - 2 * position;
}

static uint16_t to_bcd(unsigned int value)
{
	return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

static unsigned int from_bcd(uint16_t value)
{
	return (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 +
	       (value >> 12) * 1000;
}

/* The counting element as a read shows it. */
static uint16_t current_count(const struct pit_channel_state *channel, int64_t now)
{
	int64_t modulus = channel->bcd ? 10000 : 65536;
	int64_t ticks, value;

	if (!channel->running)
		return 0;
	ticks = MAX(elapsed(channel, now), 0);
	if (channel->mode == 2)
		value = channel->count - ticks % channel->count;
	else if (channel->mode == 3)
		value = square_wave_value(channel->count, ticks);
	else
		value = channel->count - ticks % modulus;
	value = (value + modulus) % modulus;
	return channel->bcd ? to_bcd(value) : value;
}

/* The first of edge, edge + period, ... that is later than `after`. */
static int64_t edge_after(int64_t edge, int64_t period, int64_t after)
{
	return edge > after ? edge : edge + ((after - edge) / period + 1) * period;
}

/* The first tick after `after` at which OUT rises, if the gate stays as it is. */
static int64_t next_rise(const struct pit_channel_state *channel, int64_t after)
{
	int64_t rise = channel->start + channel->count;

	if (!channel->running || !channel->gate)
		return PIT_NEVER;
	if (!is_periodic(channel)) {
		rise += channel->mode >= 4;
		return rise > after ? rise : PIT_NEVER;
	}
	rise = edge_after(rise, channel->count, after);
	if (channel->next_count && rise >= channel->next_at)
		rise = edge_after(channel->next_start, channel->next_count,
				  MAX(after, channel->next_at - 1));
	return rise;
}

static void arm(struct pit *pit)
{
	const struct pit_channel_state *channel = &pit->state.channels[0];
	uint64_t now = clock_now(pit->clock);
	uint64_t deadline;

	if (pit->state.next_edge == PIT_NEVER) {
		clock_timer_cancel(pit->timer);
		return;
	}
	deadline = ns_from_ticks(pit->state.next_edge);
	if (pit->state.backlog)
		deadline = MIN(deadline, now + ns_from_ticks(channel->count) / 2);
	if (is_periodic(channel))
		deadline = MAX(deadline, pit->state.last_edge_ns + INTERVAL_MIN_NS);
	clock_timer_set(pit->timer, deadline);
}

static void drive(struct pit *pit, int level)
{
	pit->state.line = level;
	irq_set(&pit->irq, level);
}

/* Channel 0 was programmed: its OUT may have changed, and so has what comes next. */
static void restart_timer(struct pit *pit, int64_t now)
{
	const struct pit_channel_state *channel = &pit->state.channels[0];

	pit->state.backlog = 0;
	pit->state.next_edge = next_rise(channel, now);
	drive(pit, output(channel, now));
	arm(pit);
}

/* Counts the edges up to now, less the one that is being delivered. */
static void account_edges(struct pit_state *state, int64_t now)
{
	const struct pit_channel_state *channel = &state->channels[0];
	int64_t missed = state->backlog;

	if (state->next_edge > now) {
		missed--;
	} else {
		state->next_edge = next_rise(channel, state->next_edge);
		if (state->next_edge <= now) {
			missed += 1 + (now - state->next_edge) / channel->count;
			state->next_edge = next_rise(channel, now);
		}
	}
	state->backlog = CLAMP(missed, 0, BACKLOG_MAX);
}

static void timer_expired(void *opaque)
{
	struct pit *pit = opaque;
	int64_t now = now_ticks(pit);

	sync_channel(&pit->state.channels[0], now);
	if (pit->state.next_edge > now && !pit->state.backlog) {
		arm(pit);
		return;
	}
	account_edges(&pit->state, now);
	pit->state.last_edge_ns = clock_now(pit->clock);
	drive(pit, 0);
	drive(pit, 1);
	arm(pit);
}

/* Loads the count at the tick after now. */
static void load_count(struct pit_channel_state *channel, uint32_t count, int64_t now)
{
	channel->start = now + 1;
	channel->stopped = 0;
	channel->count = count;
	channel->next_count = 0;
	channel->running = 1;
}

/* A running periodic counter takes a new count at the end of its period (mode 2) or of
 * its half period (mode 3). */
static void load_count_later(struct pit_channel_state *channel, uint32_t count, int64_t now)
{
	int64_t ticks = MAX(now - channel->start, 0);
	int64_t period = channel->start + ticks / channel->count * channel->count;

	if (channel->mode == 3 && now - period < high_half(channel->count)) {
		channel->next_at = period + high_half(channel->count);
		channel->next_start = channel->next_at - high_half(count);
	} else {
		channel->next_at = period + channel->count;
		channel->next_start = channel->next_at;
	}
	channel->next_count = count;
}

static void write_count(struct pit_channel_state *channel, uint16_t value, int64_t now)
{
	uint32_t count = channel->bcd ? from_bcd(value) : value;

	if (!count)
		count = channel->bcd ? 10000 : 65536;
	channel->reload = count;
	if (is_gate_started(channel))
		return;
	if (is_periodic(channel) && channel->running && channel->gate)
		load_count_later(channel, count, now);
	else
		load_count(channel, count, now);
}

static void write_channel(struct pit_channel_state *channel, uint8_t value, int64_t now)
{
	if (channel->access == ACCESS_LOW) {
		write_count(channel, value, now);
	} else if (channel->access == ACCESS_HIGH) {
		write_count(channel, value << 8, now);
	} else if (channel->write_high) {
		channel->write_high = 0;
		write_count(channel, channel->low_byte | value << 8, now);
	} else {
		channel->write_high = 1;
		channel->low_byte = value;
		/* Mode 0: the first byte stops the counter and takes OUT down. */
		if (channel->mode == 0)
			channel->running = 0;
	}
}

static void latch_count(struct pit_channel_state *channel, int64_t now)
{
	if (channel->latch_bytes)
		return;
	channel->latch = current_count(channel, now);
	channel->latch_bytes = channel->access == ACCESS_BOTH ? 2 : 1;
	channel->read_high = 0;
}

static void latch_status(struct pit_channel_state *channel, int64_t now)
{
	bool null_count = !channel->running || channel->next_count ||
			  (channel->gate && now < channel->start) ||
			  (is_gate_started(channel) && channel->reload != channel->count);

	if (channel->status_latched)
		return;
	channel->status_latched = 1;
	channel->status = (output(channel, now) ? STATUS_OUT : 0) |
			  (null_count ? STATUS_NULL_COUNT : 0) |
			  channel->access << 4 | channel->mode << 1 | channel->bcd;
}

static void read_back(struct pit *pit, uint8_t value, int64_t now)
{
	for (unsigned int i = 0; i < PIT_CHANNELS; i++) {
		struct pit_channel_state *channel = &pit->state.channels[i];

		if (!(value & 2u << i))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(channel, now);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(channel, now);
	}
}

static void write_control(struct pit *pit, uint8_t value, int64_t now)
{
	unsigned int select = value >> 6;
	uint8_t access = value >> 4 & 3;
	struct pit_channel_state *channel;

	if (select == PIT_CHANNELS) {
		read_back(pit, value, now);
		return;
	}
	channel = &pit->state.channels[select];
	if (!access) {
		latch_count(channel, now);
		return;
	}
	/* Modes 6 and 7 are 2 and 3. */
	*channel = (struct pit_channel_state){
		.mode = (value >> 1 & 7) > 5 ? (value >> 1 & 3) : (value >> 1 & 7),
		.bcd = value & 1,
		.access = access,
		.gate = channel->gate,
	};
	if (select == 0)
		restart_timer(pit, now);
}

static void port_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct pit *pit = opaque;
	int64_t now = now_ticks(pit);

	/* An edge that is due comes before anything that is written now. */
	if (pit->state.next_edge <= now)
		timer_expired(pit);
	for (unsigned int i = 0; i < PIT_CHANNELS; i++)
		sync_channel(&pit->state.channels[i], now);
	if (offset == CONTROL_REGISTER) {
		write_control(pit, value, now);
		return;
	}
	write_channel(&pit->state.channels[offset], value, now);
	if (offset == 0)
		restart_timer(pit, now);
}

static uint8_t read_latch(struct pit_channel_state *channel)
{
	bool high = channel->access == ACCESS_HIGH ||
		    (channel->access == ACCESS_BOTH && channel->latch_bytes == 1);

	channel->latch_bytes--;
	return high ? channel->latch >> 8 : channel->latch;
}

static uint8_t read_live(struct pit_channel_state *channel, int64_t now)
{
	uint16_t count = current_count(channel, now);
	bool high = channel->access == ACCESS_HIGH || channel->read_high;

	if (channel->access == ACCESS_BOTH)
		channel->read_high ^= 1;
	return high ? count >> 8 : count;
}

static uint8_t port_read(void *opaque, unsigned int offset)
{
	struct pit *pit = opaque;
	int64_t now = now_ticks(pit);
	struct pit_channel_state *channel;

	if (offset == CONTROL_REGISTER)
		return 0xff;	/* write-only */
	channel = &pit->state.channels[offset];
	sync_channel(channel, now);
	if (channel->status_latched) {
		channel->status_latched = 0;
		return channel->status;
	}
	if (channel->latch_bytes)
		return read_latch(channel);
	return read_live(channel, now);
}

static void set_gate(struct pit_channel_state *channel, int gate, int64_t now)
{
	if (gate == channel->gate)
		return;
	sync_channel(channel, now);
	if (!gate) {
		channel->stopped = MAX(now - channel->start, 0);
		channel->gate = 0;
		return;
	}
	channel->gate = 1;
	if (is_gate_started(channel)) {
		if (channel->reload)
			load_count(channel, channel->reload, now);
	} else if (channel->running && is_periodic(channel)) {
		load_count(channel, channel->reload, now);
	} else {
		channel->start = now - channel->stopped;
	}
}

static uint8_t speaker_read(void *opaque, unsigned int offset)
{
	struct pit *pit = opaque;
	struct pit_channel_state *channel = &pit->state.channels[2];
	uint64_t ns = clock_now(pit->clock);
	uint8_t value = pit->state.speaker;

	(void)offset;
	sync_channel(channel, ticks_from_ns(ns));
	if (output(channel, ticks_from_ns(ns)))
		value |= SPEAKER_OUT2;
	if (ns / REFRESH_NS & 1)
		value |= SPEAKER_REFRESH;
	return value;
}

static void speaker_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct pit *pit = opaque;

	(void)offset;
	pit->state.speaker = value & SPEAKER_WRITABLE;
	set_gate(&pit->state.channels[2], value & SPEAKER_GATE2, now_ticks(pit));
}

/* How far a guest can put times into the future, and before the start of its clock. */
#define AHEAD_MAX		0x40000
#define BEFORE_MAX		0x10000
#define COUNT_MAX		65536
#define COUNT_BCD_MAX		16665	/* four digits of 15 */

void pit_save(const struct pit *pit, struct pit_state *state)
{
	*state = pit->state;
}

static const struct state_field channel_fields[] = {
	STATE_MOST(struct pit_channel_state, mode, 5),
	STATE_FLAG(struct pit_channel_state, bcd),
	STATE_MOST(struct pit_channel_state, access, ACCESS_BOTH),
	STATE_FLAG(struct pit_channel_state, status_latched),
	STATE_FLAG(struct pit_channel_state, write_high),
	STATE_FLAG(struct pit_channel_state, read_high),
	STATE_FLAG(struct pit_channel_state, gate),
	STATE_FLAG(struct pit_channel_state, running),
	STATE_ZERO(struct pit_channel_state, pad),
};

static const struct state_field state_fields[] = {
	STATE_MOST(struct pit_state, backlog, BACKLOG_MAX),
	STATE_BITS(struct pit_state, speaker, SPEAKER_WRITABLE),
	STATE_FLAG(struct pit_state, line),
	STATE_ZERO(struct pit_state, pad),
};

static bool is_between(int64_t value, int64_t least, int64_t most)
{
	return value >= least && value <= most;
}

static gboolean check_counts(const struct pit_channel_state *channel, const char *name,
			     GError **error)
{
	uint32_t most = channel->bcd ? COUNT_BCD_MAX : COUNT_MAX;
	bool may_wait = channel->running && is_periodic(channel);

	return state_check(is_between(channel->count, channel->running, most), name, "count",
			   error) &&
	       state_check(is_between(channel->reload, may_wait, most), name, "reload", error) &&
	       state_check(is_between(channel->next_count, 0, may_wait ? most : 0), name,
			   "next_count", error);
}

static gboolean check_bytes(const struct pit_channel_state *channel, const char *name,
			    GError **error)
{
	bool both = channel->access == ACCESS_BOTH;

	return state_check(channel->access, name, "access", error) &&
	       state_check(channel->latch_bytes <= (both ? 2 : 1), name, "latch_bytes", error) &&
	       state_check(both || !channel->write_high, name, "write_high", error) &&
	       state_check(both || !channel->read_high, name, "read_high", error);
}

static gboolean check_channel_times(const struct pit_channel_state *channel, int64_t now,
				    const char *name, GError **error)
{
	return state_check(is_between(channel->start, -BEFORE_MAX, now + 1), name, "start", error) &&
	       state_check(is_between(channel->stopped, 0, now + BEFORE_MAX), name, "stopped",
			   error) &&
	       state_check(is_between(channel->next_at, -BEFORE_MAX, now + 2 * COUNT_MAX), name,
			   "next_at", error) &&
	       state_check(is_between(channel->next_start, channel->next_at - BEFORE_MAX,
				      channel->next_at), name, "next_start", error);
}

static gboolean check_channel(const struct pit_state *state, unsigned int index, int64_t now,
			      GError **error)
{
	static const char *const names[PIT_CHANNELS] = {
		"PIT's channel 0", "PIT's channel 1", "PIT's channel 2",
	};
	const struct pit_channel_state *channel = &state->channels[index];
	const char *name = names[index];
	uint8_t gate = index < 2 ? 1 : state->speaker & SPEAKER_GATE2;

	return state_check_fields(name, channel_fields, G_N_ELEMENTS(channel_fields), channel,
				  error) &&
	       check_counts(channel, name, error) && check_bytes(channel, name, error) &&
	       check_channel_times(channel, now, name, error) &&
	       state_check(channel->gate == gate, name, "gate", error);
}

static gboolean check_edges(const struct pit *pit, const struct pit_state *state, int64_t now,
			    GError **error)
{
	const struct pit_channel_state *channel = &state->channels[0];
	bool may_owe = channel->running && is_periodic(channel);
	bool edge_is_possible = state->next_edge == PIT_NEVER ||
				(channel->running && is_between(state->next_edge, 1, now + AHEAD_MAX));

	return state_check(edge_is_possible, "PIT", "next_edge", error) &&
	       state_check(!state->backlog || may_owe, "PIT", "backlog", error) &&
	       state_check(state->last_edge_ns <= clock_now(pit->clock), "PIT", "last_edge_ns",
			   error);
}

gboolean pit_load(struct pit *pit, const struct pit_state *state, GError **error)
{
	int64_t now = now_ticks(pit);

	if (!state_check_fields("PIT", state_fields, G_N_ELEMENTS(state_fields), state, error))
		return FALSE;
	for (unsigned int i = 0; i < PIT_CHANNELS; i++)
		if (!check_channel(state, i, now, error))
			return FALSE;
	if (!check_edges(pit, state, now, error))
		return FALSE;
	pit->state = *state;
	drive(pit, state->line);
	arm(pit);
	return TRUE;
}

struct pit *pit_new(struct bus *ports, struct clock *clock, struct irq_line irq)
{
	struct pit *pit = g_new0(struct pit, 1);

	for (unsigned int i = 0; i < PIT_CHANNELS; i++) {
		pit->state.channels[i].access = ACCESS_BOTH;
		pit->state.channels[i].gate = i != 2;
	}
	pit->state.next_edge = PIT_NEVER;
	pit->clock = clock;
	pit->irq = irq;
	pit->timer = clock_timer_new(clock, timer_expired, pit);
	pit->port = (struct port8){ port_read, port_write, pit };
	pit->speaker_port = (struct port8){ speaker_read, speaker_write, pit };
	port8_claim(ports, "pit", PIT_PORT, 4, &pit->port);
	port8_claim(ports, "pit speaker", PIT_SPEAKER_PORT, 1, &pit->speaker_port);
	return pit;
}

void pit_free(struct pit *pit)
{
	if (!pit)
		return;
	clock_timer_free(pit->timer);
	g_free(pit);
}
