/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the chips remember, as it is kept while a guest runs and as it stands in a checkpoint
 * (docs/checkpoint-format.md).  Little endian, fixed widths, no padding but `pad`, which is
 * zero.  These structures are never changed: a new one gets a new record type.
 *
 * Times: `ns` are nanoseconds of the guest's clock (vmm/clock.h), ticks are those of the chip
 * since the guest's clock was 0.  "Now" is the guest's clock when the state was saved, which
 * is what it shows when the state is loaded.  A flag is 0 or 1.
 *
 * X_save(): the machine's lock is held and the clock stands still.
 *
 * X_load(): into a chip that was just made, with the guest's clock loaded before.  It checks
 * everything first: FALSE, the field named in `error` and nothing changed, if no guest could
 * have brought the chip there.  It sets its timers, and drives its interrupt line to the level
 * that the line had; whoever listens there is loaded too, so the wires must be held meanwhile
 * (gsi_hold() in vmm/gsi.h).
 */
#ifndef MICA_VMM_CHIPSET_STATE_H
#define MICA_VMM_CHIPSET_STATE_H

#include <assert.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "chipset.h"
#include "rtc_time.h"

/* ------------------------------------------------------------ 8259A pair */

struct pic_chip_state {
	uint8_t lines;		/* level of the inputs */
	uint8_t irr;		/* a subset of lines; of level inputs all that are high */
	uint8_t isr;
	uint8_t imr;
	uint8_t elcr;		/* level inputs: master a subset of 0xf8, slave of 0xde */
	uint8_t vector_base;	/* ICW2 bits 7:3 */
	uint8_t icw1;		/* as written, bit 4 is 1; 0: never */
	uint8_t icw4;		/* as written; 0 unless ICW1 bit 0 */
	uint8_t step;		/* 0..3, what comes at A0 = 1: OCW1, ICW2, ICW3, ICW4 */
	uint8_t lowest;		/* 0..7, input of lowest priority */
	uint8_t rotate_aeoi;	/* flag: rotate in automatic EOI mode */
	uint8_t special_mask;	/* flag: special mask mode */
	uint8_t read_isr;	/* flag: A0 = 0 reads ISR, not IRR */
	uint8_t poll;		/* flag: the next read acknowledges */
	uint8_t output;		/* flag: level of INT; the slave's is the master's input 2 */
	uint8_t pad;
};

struct pic_state {
	struct pic_chip_state chips[2];		/* master, slave */
};
static_assert(sizeof(struct pic_state) == 32, "ABI");

void pic_save(const struct pic *pic, struct pic_state *state);
gboolean pic_load(struct pic *pic, const struct pic_state *state, GError **error);

/* ------------------------------------------------------------ I/O APIC */

struct ioapic_state {
	uint64_t redirection[IOAPIC_PINS];	/* bits 63:56, 16:13 and 11:0; 14: remote IRR */
	uint32_t lines;		/* bits 23:0, pins that are asserted */
	uint32_t id;		/* bits 27:24 */
	uint8_t index;		/* IOREGSEL */
	uint8_t pad[7];
};
static_assert(sizeof(struct ioapic_state) == 208, "ABI");

void ioapic_save(const struct ioapic *ioapic, struct ioapic_state *state);
gboolean ioapic_load(struct ioapic *ioapic, const struct ioapic_state *state, GError **error);

/* ------------------------------------------------------------ 8254 */

#define PIT_CHANNELS		3
#define PIT_NEVER		INT64_MAX

/* Times are ticks of PIT_HZ. */
struct pit_channel_state {
	int64_t start;		/* when `count` was loaded: -65536..now + 1 */
	int64_t stopped;	/* ticks counted when the gate stopped it: 0..now + 65536 */
	int64_t next_start;	/* with next_count: what start and count become ... */
	int64_t next_at;	/* ... from this tick on, which is at most 131072 after now */
	uint32_t next_count;	/* 1..65536, in modes 2 and 3; 0: nothing waits */
	uint32_t count;		/* 1..65536; 0 only if not running */
	uint32_t reload;	/* 0..65536, the count register */
	uint16_t latch;
	uint8_t latch_bytes;	/* bytes of the latch still to be read: 0..2, 2 if access is 3 */
	uint8_t status;		/* as the read-back command latched it */
	uint8_t status_latched;	/* flag */
	uint8_t mode;		/* 0..5 */
	uint8_t bcd;		/* flag */
	uint8_t access;		/* 1: low byte, 2: high byte, 3: both */
	uint8_t write_high;	/* flag: the next byte written is the high one; access is 3 */
	uint8_t read_high;	/* flag, likewise */
	uint8_t low_byte;	/* written, waits for the high one */
	uint8_t gate;		/* flag; 1 for channels 0 and 1, port 0x61 bit 0 for 2 */
	uint8_t running;	/* flag: a count was loaded */
	uint8_t pad[7];
};

struct pit_state {
	struct pit_channel_state channels[PIT_CHANNELS];
	int64_t next_edge;	/* tick of channel 0's next rising edge, 1..now + 262144, or PIT_NEVER */
	uint64_t last_edge_ns;	/* when its last edge was delivered: at most now */
	uint32_t backlog;	/* edges that channel 0 owes: 0..16; 0 unless in mode 2 or 3 */
	uint8_t speaker;	/* port 0x61, bits 3:0 */
	uint8_t line;		/* flag: level of the interrupt line */
	uint8_t pad[2];
};
static_assert(sizeof(struct pit_channel_state) == 64, "ABI");
static_assert(sizeof(struct pit_state) == 216, "ABI");

void pit_save(const struct pit *pit, struct pit_state *state);
gboolean pit_load(struct pit *pit, const struct pit_state *state, GError **error);

/* ------------------------------------------------------------ MC146818 */

/* Limit of the times below, either way: 2^60 us are 36 000 years. */
#define RTC_TIME_MAX_US		(INT64_C(1) << 60)

/* The clock of the RTC is the host's wall clock + phase_us + kept_us. */
struct rtc_state {
	int64_t second;		/* of that clock, which the registers show: +-3 * 2^60 / 10^6 */
	int64_t phase_us;	/* when seconds begin, as the guest's divider resets have it */
	int64_t kept_us;	/* by loads that kept the time: see rtc_load() */
	int64_t wall_us;	/* of the host, when this was saved */
	uint64_t periods;	/* of the periodic interrupt, as last seen: not after now */
	uint8_t cmos[RTC_CMOS_SIZE];	/* A without UIP; D 0x80; IRQF of C as B and C say */
	uint8_t index;		/* 0..127 */
	uint8_t divider_was_reset;	/* flag: the divider is in reset, or was and SET holds it */
	uint8_t pad[6];
};
static_assert(sizeof(struct rtc_state) == 176, "ABI");

void rtc_save(const struct rtc *rtc, struct rtc_state *state);
/* If keep_time, the guest finds the time of when it was saved; else the host's time, shifted
 * as the guest itself had set its clock against it. */
gboolean rtc_load(struct rtc *rtc, const struct rtc_state *state, bool keep_time, GError **error);

/* ------------------------------------------------------------ 16550A */

#define UART_FIFO_SIZE		16

struct uart_state {
	uint8_t fifo[UART_FIFO_SIZE];
	uint8_t first;		/* 0..15, index of the oldest byte */
	uint8_t count;		/* 0..16; without the FIFO 0..1 */
	uint8_t ier;		/* bits 3:0 */
	uint8_t fcr;		/* bit 0: FIFO enabled, bits 7:6: trigger level; or 0 */
	uint8_t lcr;
	uint8_t mcr;		/* bits 4:0 */
	uint8_t overrun;	/* 0, or LSR bit 1 */
	uint8_t msr;		/* bits 7:4 as MCR's loop has them */
	uint8_t scratch;
	uint8_t divisor[2];	/* low byte first */
	uint8_t thre_pending;	/* flag: the transmitter-empty interrupt waits */
	uint8_t pad[4];
};
static_assert(sizeof(struct uart_state) == 32, "ABI");

void uart_save(const struct uart *uart, struct uart_state *state);
gboolean uart_load(struct uart *uart, const struct uart_state *state, GError **error);

/* ------------------------------------------------------------ ACPI */

struct pm_state {
	uint64_t timer_halves;	/* how often the timer's top bit has changed, as last seen: not
				 * after now */
	uint16_t status;	/* PM1_STS: bits 8 and 0 */
	uint16_t enable;	/* PM1_EN: bits 10:8, 5 and 0 */
	uint16_t control;	/* PM1_CNT: bits 12:10 and 1; bit 0 is 1 */
	uint16_t pad;
};
static_assert(sizeof(struct pm_state) == 16, "ABI");

void pm_save(const struct pm *pm, struct pm_state *state);
gboolean pm_load(struct pm *pm, const struct pm_state *state, GError **error);

/* ------------------------------------------------------------ keyboard controller, reset */

#define I8042_RAM_SIZE		32

struct i8042_state {
	uint8_t ram[I8042_RAM_SIZE];	/* [0] is the configuration byte, its bit 5 is 1 */
	uint8_t status;		/* bits 6, 5 (both only with 0), 3, 2 (that of ram[0]) and 0 */
	uint8_t answer;
	uint8_t command;	/* waits for its byte at the data port, with status bit 3: 0x60..0x7f,
				 * 0xd1..0xd4; 0: none */
	uint8_t output_port;
	uint8_t pad[4];
};
static_assert(sizeof(struct i8042_state) == 40, "ABI");

void i8042_save(const struct i8042 *i8042, struct i8042_state *state);
gboolean i8042_load(struct i8042 *i8042, const struct i8042_state *state, GError **error);

struct reset_ports_state {
	uint8_t port92;		/* bits 1:0 */
	uint8_t control;	/* 0xcf9: bits 3:1 */
	uint8_t pad[6];
};
static_assert(sizeof(struct reset_ports_state) == 8, "ABI");

void reset_ports_save(const struct reset_ports *reset, struct reset_ports_state *state);
gboolean reset_ports_load(struct reset_ports *reset, const struct reset_ports_state *state,
			  GError **error);

#endif
