/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The legacy parts of a PC that kernels insist on.  One file per chip, each with
 * X_new(), X_free() and its registers; each registers itself on the bus.
 * Addresses and interrupt numbers are here, once: the ACPI tables use them too.
 *
 * Interrupt wiring: chips drive global system interrupts 0..23 by struct irq_line;
 * the "gsi router" in vmm/machine.c fans GSI n out to IOAPIC pin n (ISA IRQ 0 to pin
 * 2, as the MADT's source override says) and, for ISA IRQs, to the PIC pair.
 */
#ifndef MICA_VMM_CHIPSET_H
#define MICA_VMM_CHIPSET_H

#include <glib.h>
#include <stdint.h>

#include "../bus.h"
#include "../clock.h"
#include "../irq.h"
#include "../power.h"

#define PIC_MASTER_PORT		0x20
#define PIC_SLAVE_PORT		0xa0
#define PIC_ELCR_PORT		0x4d0
#define PIT_PORT		0x40
#define PIT_SPEAKER_PORT	0x61
#define PIT_HZ			1193182
#define I8042_DATA_PORT		0x60
#define I8042_COMMAND_PORT	0x64
#define RTC_PORT		0x70
#define POST_PORT		0x80		/* POST codes; kernels write there to wait */
#define PORT92			0x92
#define UART0_PORT		0x3f8
#define DEBUG_EXIT_PORT		0xf4
#define RESET_PORT		0xcf9		/* also the FADT's RESET_REG, value 6 */
#define PM_BASE			0x600		/* PM1a_EVT 0x600, PM1a_CNT 0x604, PM_TMR 0x608 */
#define PM_TIMER_HZ		3579545
#define IOAPIC_BASE		0xfec00000ull
#define IOAPIC_PINS		24
#define LAPIC_BASE		0xfee00000ull

#define IRQ_PIT			0
#define IRQ_CASCADE		2
#define IRQ_UART0		4
#define IRQ_RTC			8
#define IRQ_SCI			9

/* Two cascaded 8259A (edge or level by ELCR).  `intr` is the master's INTR output. */
struct pic;
struct pic *pic_new(struct bus *ports, struct irq_line intr);
void pic_free(struct pic *pic);
void pic_set_irq(struct pic *pic, unsigned int irq, int level);	/* 0..15, not 2 */
/* Levels of the inputs, one bit for each IRQ; 2 is not shown. */
uint16_t pic_lines(const struct pic *pic);
uint8_t pic_acknowledge(struct pic *pic);	/* INTA cycle: the vector, spurious 7/15 if none */

/* 82093AA with 24 pins; directed EOI register as of version 0x20. */
struct ioapic_sink {
	void (*msi)(void *opaque, uint64_t address, uint32_t data);
	void *opaque;
};
struct ioapic;
struct ioapic *ioapic_new(struct bus *mmio, const struct ioapic_sink *sink);
void ioapic_free(struct ioapic *ioapic);
void ioapic_set_irq(struct ioapic *ioapic, unsigned int pin, int level);
uint32_t ioapic_lines(const struct ioapic *ioapic);	/* levels, one bit for each pin */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);	/* a local APIC's EOI broadcast */

/* 8254 with channel 0 on `irq`, channel 2 and its gate at port 0x61. */
struct pit;
struct pit *pit_new(struct bus *ports, struct clock *clock, struct irq_line irq);
void pit_free(struct pit *pit);

/* MC146818 with 128 bytes of CMOS: periodic, alarm and update-ended interrupts. */
struct rtc;
struct rtc *rtc_new(struct bus *ports, struct clock *clock, struct irq_line irq,
		    uint64_t ram_below_4g, uint64_t ram_above_4g);
void rtc_free(struct rtc *rtc);

/* 16550A.  The UART calls `output` for what the guest sends; at most 16 bytes wait for
 * the guest, `uart_room()` says how many more it takes; `drained` is called when room
 * appears. */
struct uart_sink {
	void (*output)(void *opaque, const uint8_t *bytes, size_t count);
	void (*drained)(void *opaque);
	void *opaque;
};
struct uart;
struct uart *uart_new(struct bus *ports, uint16_t port, struct irq_line irq,
		      const struct uart_sink *sink);
void uart_free(struct uart *uart);
size_t uart_room(const struct uart *uart);
size_t uart_input(struct uart *uart, const uint8_t *bytes, size_t count);	/* how many it took */

/* ACPI fixed hardware: PM1a event and control blocks, PM timer, power button, S5. */
struct pm;
struct pm *pm_new(struct bus *ports, struct clock *clock, struct irq_line sci,
		  const struct power_sink *power);
void pm_free(struct pm *pm);
void pm_press_power_button(struct pm *pm);
#define PM_S5_SLEEP_TYPE	5	/* SLP_TYP of \_S5 in the DSDT */

/* Reset ports: 0x92 bit 0, 0xcf9; keyboard controller 0x64 command 0xfe, with just
 * enough of an 8042 that a probe ends at once; test kernels' port 0xf4.  `config_ports` has
 * what PCI leaves of its own ports, 0xcf9 among them (vmm/pci/host.h). */
struct reset_ports;
struct reset_ports *reset_ports_new(struct bus *ports, struct bus *config_ports,
				    const struct power_sink *power);
void reset_ports_free(struct reset_ports *reset);
struct i8042;
struct i8042 *i8042_new(struct bus *ports, const struct power_sink *power);
void i8042_free(struct i8042 *i8042);
struct debug_exit;
struct debug_exit *debug_exit_new(struct bus *ports, const struct power_sink *power);
void debug_exit_free(struct debug_exit *debug_exit);

#endif
