/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All chips and a PCI host on one board, wired as in a machine, with a clock that moves when
 * told.  What leaves the board (interrupts, messages, characters) is written down with its time.
 */
#ifndef MICA_TEST_BOARD_H
#define MICA_TEST_BOARD_H

#include "chip_test.h"

#include "../../../vmm/chipset/state.h"
#include "../../../vmm/machine.h"
#include "../../../vmm/machine_chipset_state.h"
#include "../../../vmm/pci/host.h"
#include "../../../vmm/state/stream.h"

#define BOARD_PORTS	2u
#define BOARD_WALL	1700000000

enum board_word { BOARD_INTR, BOARD_MSI, BOARD_CHARACTER, BOARD_POWER, BOARD_BOUND, BOARD_UNBOUND };

struct board_event {
	uint64_t ns;
	uint64_t word;			/* enum board_word */
	uint64_t value;
	uint64_t more;
};

struct board {
	struct machine machine;
	struct pci_device *cold;	/* slot BOARD_PORTS + 1 */
	struct pci_device *hot;		/* behind the second port, or NULL */
	bool removed;			/* `hot` was */
	int fd;				/* signals vector 1 of both, and is their doorbell */
	GArray *events;			/* of struct board_event */
};

/* The wall clock shows BOARD_WALL. */
struct board *board_new(bool hot);
void board_free(struct board *board);
/* What a firmware does. */
void board_assign(struct board *board);

void board_advance(struct board *board, uint64_t ns);
uint8_t board_in8(struct board *board, uint16_t port);
void board_out8(struct board *board, uint16_t port, uint8_t value);
uint32_t board_config_read(struct board *board, unsigned int bus, unsigned int slot,
			   unsigned int reg);
void board_config_write(struct board *board, unsigned int bus, unsigned int slot,
			unsigned int reg, uint32_t value);
/* An entry of the IOAPIC. */
void board_set_pin(struct board *board, unsigned int pin, uint64_t entry);
uint64_t board_pin(struct board *board, unsigned int pin);
unsigned int board_count(const struct board *board, enum board_word word);

/* A checkpoint of the board, in a file without a name. */
int board_save(struct board *board);
/* Loads it into another one, which is made for it; NULL and `error` if that is refused. */
struct board *board_load(int file, bool hot, bool keep_time, int64_t wall, GError **error);

#endif
