// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two 8259A interrupt controllers, the slave's INT on the master's IR2, with the edge
 * and level control registers of later chipsets.
 *
 * Source: Intel 8259A data sheet ("Initialization Command Words", "Operation Command
 * Words", "Poll Command", "The Special Mask Mode"); Intel 82371AB data sheet ("ELCR1 -
 * Edge/Level Control Register") for the ELCR, which replaces ICW1's LTIM.  The MCS-80
 * mode does not exist on a PC: vectors are always those of the 8086 mode.
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define ICW1_IC4		0x01	/* an ICW4 follows */
#define ICW1_SNGL		0x02	/* no ICW3 follows */
#define ICW1_SELECT		0x10
#define ICW4_AEOI		0x02
#define ICW4_SFNM		0x10	/* special fully nested mode */
#define OCW3_SELECT		0x08
#define OCW3_RIS		0x01
#define OCW3_RR			0x02
#define OCW3_POLL		0x04
#define OCW3_SMM		0x20
#define OCW3_ESMM		0x40

/* OCW2 bits 7:5 */
#define OCW2_CLEAR_ROTATE_AEOI	0
#define OCW2_EOI		1
#define OCW2_SPECIFIC_EOI	3
#define OCW2_SET_ROTATE_AEOI	4
#define OCW2_ROTATE_EOI		5
#define OCW2_SET_PRIORITY	6
#define OCW2_ROTATE_SPECIFIC	7

/* The timer, the keyboard, the cascade, the RTC and the FPU cannot be made level. */
static const uint8_t elcr_mask[2] = { 0xf8, 0xde };

enum pic_step { PIC_READY, PIC_ICW2, PIC_ICW3, PIC_ICW4 };

struct pic {
	struct pic_state state;
	struct irq_line intr;
	struct port8 master_port;
	struct port8 slave_port;
	struct port8 elcr_port;
};

/* The input of highest priority among `bits`, or -1. */
static int highest(const struct pic_chip_state *chip, uint8_t bits)
{
	for (unsigned int i = 1; i <= 8; i++) {
		unsigned int input = (chip->lowest + i) & 7;

		if (bits & (1u << input))
			return (int)input;
	}
	return -1;
}

static unsigned int priority(const struct pic_chip_state *chip, int input)
{
	return ((unsigned int)input - chip->lowest - 1) & 7;
}

/* The request that INT stands for, or -1. */
static int chip_request(const struct pic_chip_state *chip, bool master)
{
	int request = highest(chip, chip->irr & ~chip->imr);
	uint8_t in_service = chip->isr;
	int serving;

	if (request < 0 || chip->step != PIC_READY)
		return -1;
	if (chip->special_mask)
		in_service &= ~chip->imr;
	serving = highest(chip, in_service);
	if (serving < 0 || priority(chip, request) < priority(chip, serving))
		return request;
	/* The special fully nested mode lets a second request of the slave through. */
	if (master && (chip->icw4 & ICW4_SFNM) && request == serving && request == IRQ_CASCADE)
		return request;
	return -1;
}

static void chip_set_line(struct pic_chip_state *chip, unsigned int input, int level)
{
	uint8_t bit = 1u << input;

	if (!level) {
		/* A request that is taken back before INTA becomes a spurious one. */
		chip->lines &= ~bit;
		chip->irr &= ~bit;
	} else if (!(chip->lines & bit)) {
		chip->lines |= bit;
		chip->irr |= bit;
	}
}

static void set_intr(struct pic *pic, int level)
{
	struct pic_chip_state *master = &pic->state.chips[0];

	if (master->output == level)
		return;
	master->output = level;
	irq_set(&pic->intr, level);
}

static void set_cascade(struct pic *pic, int level)
{
	pic->state.chips[1].output = level;
	chip_set_line(&pic->state.chips[0], IRQ_CASCADE, level);
}

static void update(struct pic *pic)
{
	struct pic_chip_state *chips = pic->state.chips;

	set_cascade(pic, chip_request(&chips[1], false) >= 0);
	set_intr(pic, chip_request(&chips[0], true) >= 0);
}

static void chip_eoi(struct pic_chip_state *chip, int input, bool rotate)
{
	if (input < 0)
		return;
	chip->isr &= ~(1u << input);
	if (rotate)
		chip->lowest = input;
}

/* First INTA (or a poll): the request goes into service. */
static void chip_accept(struct pic_chip_state *chip, int input)
{
	uint8_t bit = 1u << input;

	chip->isr |= bit;
	if (!(chip->elcr & bit))
		chip->irr &= ~bit;
	if (chip->icw4 & ICW4_AEOI)
		chip_eoi(chip, input, chip->rotate_aeoi);
}

/* Acknowledges one chip; INT falls with INTA, so that what still waits makes an edge. */
static int chip_acknowledge(struct pic *pic, unsigned int index)
{
	struct pic_chip_state *chip = &pic->state.chips[index];
	int request = chip_request(chip, index == 0);

	if (request >= 0)
		chip_accept(chip, request);
	if (index)
		set_cascade(pic, 0);
	else
		set_intr(pic, 0);
	return request;
}

uint8_t pic_acknowledge(struct pic *pic)
{
	struct pic_chip_state *chip = &pic->state.chips[0];
	int request = chip_acknowledge(pic, 0);

	if (request == IRQ_CASCADE) {
		chip = &pic->state.chips[1];
		request = chip_acknowledge(pic, 1);
	}
	update(pic);
	return chip->vector_base | (request < 0 ? 7 : request);
}

void pic_set_irq(struct pic *pic, unsigned int irq, int level)
{
	g_return_if_fail(irq < 16 && irq != IRQ_CASCADE);
	chip_set_line(&pic->state.chips[irq >> 3], irq & 7, level);
	update(pic);
}

static void write_icw1(struct pic_chip_state *chip, uint8_t value)
{
	chip->icw1 = value;
	chip->icw4 = 0;
	chip->imr = 0;
	chip->isr = 0;
	/* Edges so far are forgotten; a level that stands is still a request. */
	chip->irr = chip->lines & chip->elcr;
	chip->lowest = 7;
	chip->special_mask = 0;
	chip->read_isr = 0;
	chip->rotate_aeoi = 0;
	chip->poll = 0;
	chip->step = PIC_ICW2;
}

static void write_ocw2(struct pic_chip_state *chip, uint8_t value)
{
	uint8_t in_service = chip->isr;
	int level = value & 7;

	/* A masked level stays in service in special mask mode: it is ended by name. */
	if (chip->special_mask)
		in_service &= ~chip->imr;
	switch (value >> 5) {
	case OCW2_CLEAR_ROTATE_AEOI:
		chip->rotate_aeoi = 0;
		break;
	case OCW2_SET_ROTATE_AEOI:
		chip->rotate_aeoi = 1;
		break;
	case OCW2_EOI:
		chip_eoi(chip, highest(chip, in_service), false);
		break;
	case OCW2_ROTATE_EOI:
		chip_eoi(chip, highest(chip, in_service), true);
		break;
	case OCW2_SPECIFIC_EOI:
		chip_eoi(chip, level, false);
		break;
	case OCW2_ROTATE_SPECIFIC:
		chip_eoi(chip, level, true);
		break;
	case OCW2_SET_PRIORITY:
		chip->lowest = level;
		break;
	}
}

static void write_ocw3(struct pic_chip_state *chip, uint8_t value)
{
	if (value & OCW3_ESMM)
		chip->special_mask = !!(value & OCW3_SMM);
	if (value & OCW3_POLL)
		chip->poll = 1;
	else if (value & OCW3_RR)
		chip->read_isr = value & OCW3_RIS;
}

static void write_command(struct pic_chip_state *chip, uint8_t value)
{
	if (value & ICW1_SELECT)
		write_icw1(chip, value);
	else if (value & OCW3_SELECT)
		write_ocw3(chip, value);
	else
		write_ocw2(chip, value);
}

/* ICW3 is taken and ignored: how the chips are connected is not the guest's choice. */
static void write_data(struct pic_chip_state *chip, uint8_t value)
{
	uint8_t last = chip->icw1 & ICW1_IC4 ? PIC_ICW4 : PIC_READY;

	switch (chip->step) {
	case PIC_READY:
		chip->imr = value;
		break;
	case PIC_ICW2:
		chip->vector_base = value & 0xf8;
		chip->step = chip->icw1 & ICW1_SNGL ? last : PIC_ICW3;
		break;
	case PIC_ICW3:
		chip->step = last;
		break;
	case PIC_ICW4:
		chip->icw4 = value;
		chip->step = PIC_READY;
		break;
	}
}

static void chip_write(struct pic *pic, unsigned int index, unsigned int offset, uint8_t value)
{
	struct pic_chip_state *chip = &pic->state.chips[index];

	if (offset)
		write_data(chip, value);
	else
		write_command(chip, value);
	update(pic);
}

static uint8_t chip_poll(struct pic *pic, unsigned int index)
{
	int request;

	pic->state.chips[index].poll = 0;
	request = chip_acknowledge(pic, index);
	update(pic);
	return request < 0 ? 0 : 0x80 | request;
}

static uint8_t chip_read(struct pic *pic, unsigned int index, unsigned int offset)
{
	const struct pic_chip_state *chip = &pic->state.chips[index];

	if (chip->poll)
		return chip_poll(pic, index);
	if (offset)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

static uint8_t master_read(void *opaque, unsigned int offset)
{
	return chip_read(opaque, 0, offset);
}

static void master_write(void *opaque, unsigned int offset, uint8_t value)
{
	chip_write(opaque, 0, offset, value);
}

static uint8_t slave_read(void *opaque, unsigned int offset)
{
	return chip_read(opaque, 1, offset);
}

static void slave_write(void *opaque, unsigned int offset, uint8_t value)
{
	chip_write(opaque, 1, offset, value);
}

static uint8_t elcr_read(void *opaque, unsigned int offset)
{
	const struct pic *pic = opaque;

	return pic->state.chips[offset].elcr;
}

static void elcr_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct pic *pic = opaque;
	struct pic_chip_state *chip = &pic->state.chips[offset];
	uint8_t now_level = value & elcr_mask[offset] & ~chip->elcr;

	chip->elcr = value & elcr_mask[offset];
	chip->irr |= chip->lines & now_level;
	update(pic);
}

uint16_t pic_lines(const struct pic *pic)
{
	const struct pic_chip_state *chips = pic->state.chips;

	return (chips[0].lines & ~(1u << IRQ_CASCADE)) | chips[1].lines << 8;
}

void pic_save(const struct pic *pic, struct pic_state *state)
{
	*state = pic->state;
}

static const struct state_field chip_fields[] = {
	STATE_BITS(struct pic_chip_state, vector_base, 0xf8),
	STATE_MOST(struct pic_chip_state, step, PIC_ICW4),
	STATE_MOST(struct pic_chip_state, lowest, 7),
	STATE_FLAG(struct pic_chip_state, rotate_aeoi),
	STATE_FLAG(struct pic_chip_state, special_mask),
	STATE_FLAG(struct pic_chip_state, read_isr),
	STATE_FLAG(struct pic_chip_state, poll),
	STATE_FLAG(struct pic_chip_state, output),
	STATE_ZERO(struct pic_chip_state, pad),
};

/* Only a level that stands is asked for: an input that falls takes its request back. */
static bool irr_is_possible(const struct pic_chip_state *chip)
{
	return !(chip->irr & ~chip->lines) && !(chip->lines & chip->elcr & ~chip->irr);
}

static bool icw1_is_possible(const struct pic_chip_state *chip)
{
	return chip->icw1 ? chip->icw1 & ICW1_SELECT : chip->step == PIC_READY;
}

static gboolean check_chip(const struct pic_chip_state *chip, bool master, GError **error)
{
	const char *name = master ? "master PIC" : "slave PIC";

	return state_check_fields(name, chip_fields, G_N_ELEMENTS(chip_fields), chip, error) &&
	       state_check(!(chip->elcr & ~elcr_mask[!master]), name, "elcr", error) &&
	       state_check(irr_is_possible(chip), name, "irr", error) &&
	       state_check(icw1_is_possible(chip), name, "icw1", error) &&
	       state_check(!chip->icw4 || (chip->icw1 & ICW1_IC4), name, "icw4", error) &&
	       state_check(chip->output == (chip_request(chip, master) >= 0), name, "output", error);
}

gboolean pic_load(struct pic *pic, const struct pic_state *state, GError **error)
{
	const struct pic_chip_state *chips = state->chips;
	bool cascade = chips[0].lines & 1u << IRQ_CASCADE;

	if (!check_chip(&chips[0], true, error) || !check_chip(&chips[1], false, error) ||
	    !state_check(cascade == chips[1].output, "master PIC", "lines", error))
		return FALSE;
	pic->state = *state;
	irq_set(&pic->intr, chips[0].output);
	return TRUE;
}

/* As a PC's firmware leaves it: vectors 0x08 and 0x70, everything masked. */
static const struct pic_state start_state = {
	.chips = {
		{ .vector_base = 0x08, .imr = 0xff, .lowest = 7 },
		{ .vector_base = 0x70, .imr = 0xff, .lowest = 7 },
	},
};

struct pic *pic_new(struct bus *ports, struct irq_line intr)
{
	struct pic *pic = g_new0(struct pic, 1);

	pic->state = start_state;
	pic->intr = intr;
	pic->master_port = (struct port8){ master_read, master_write, pic };
	pic->slave_port = (struct port8){ slave_read, slave_write, pic };
	pic->elcr_port = (struct port8){ elcr_read, elcr_write, pic };
	port8_claim(ports, "pic master", PIC_MASTER_PORT, 2, &pic->master_port);
	port8_claim(ports, "pic slave", PIC_SLAVE_PORT, 2, &pic->slave_port);
	port8_claim(ports, "pic elcr", PIC_ELCR_PORT, 2, &pic->elcr_port);
	return pic;
}

void pic_free(struct pic *pic)
{
	g_free(pic);
}
