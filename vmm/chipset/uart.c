// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 16550A serial port.  Characters take no time: what the guest writes has left at once,
 * and what waits below the FIFO's trigger level has waited for four characters already,
 * so that the time-out interrupt needs no timer.
 *
 * Source: National Semiconductor PC16550D data sheet ("Registers", "FIFO Interrupt Mode
 * Operation").  OUT2 does not gate the interrupt as on a PC's adapter card: kernels that
 * forget to set it work on every emulated port.
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define UART_PORTS		8

enum {
	REG_DATA = 0,		/* RBR, THR; with DLAB the divisor's low byte */
	REG_IER = 1,		/* with DLAB the divisor's high byte */
	REG_IIR = 2,		/* FCR when written */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCRATCH = 7,
};

#define IER_RX			0x01
#define IER_THRE		0x02
#define IER_LINE		0x04
#define IER_MODEM		0x08
#define IER_WRITABLE		0x0f

#define IIR_NONE		0x01
#define IIR_MODEM		0x00
#define IIR_THRE		0x02
#define IIR_RX			0x04
#define IIR_LINE		0x06
#define IIR_TIMEOUT		0x0c
#define IIR_FIFO		0xc0

#define FCR_ENABLE		0x01
#define FCR_CLEAR_RX		0x02
#define FCR_TRIGGER_SHIFT	6

#define LCR_DLAB		0x80

#define MCR_DTR			0x01
#define MCR_RTS			0x02
#define MCR_OUT1		0x04
#define MCR_OUT2		0x08
#define MCR_LOOP		0x10
#define MCR_WRITABLE		0x1f

#define LSR_DR			0x01
#define LSR_OE			0x02
#define LSR_THRE		0x20
#define LSR_TEMT		0x40

#define MSR_DCTS		0x01
#define MSR_DDSR		0x02
#define MSR_TERI		0x04
#define MSR_DDCD		0x08
#define MSR_CTS			0x10
#define MSR_DSR			0x20
#define MSR_RI			0x40
#define MSR_DCD			0x80
#define MSR_DELTAS		0x0f

static const uint8_t trigger_levels[4] = { 1, 4, 8, 14 };

struct uart {
	struct uart_state state;
	struct irq_line irq;
	struct uart_sink sink;
	struct port8 port;
};

static unsigned int capacity(const struct uart_state *state)
{
	return state->fcr & FCR_ENABLE ? UART_FIFO_SIZE : 1;
}

static uint8_t rx_interrupt(const struct uart_state *state)
{
	if (!(state->fcr & FCR_ENABLE) ||
	    state->count >= trigger_levels[state->fcr >> FCR_TRIGGER_SHIFT])
		return IIR_RX;
	return IIR_TIMEOUT;
}

/* The interrupt of highest priority. */
static uint8_t interrupt(const struct uart_state *state)
{
	if ((state->ier & IER_LINE) && state->overrun)
		return IIR_LINE;
	if ((state->ier & IER_RX) && state->count)
		return rx_interrupt(state);
	if ((state->ier & IER_THRE) && state->thre_pending)
		return IIR_THRE;
	if ((state->ier & IER_MODEM) && (state->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct uart *uart)
{
	irq_set(&uart->irq, interrupt(&uart->state) != IIR_NONE);
}

size_t uart_room(const struct uart *uart)
{
	/* The looped receiver is cut off from the line. */
	if (uart->state.mcr & MCR_LOOP)
		return 0;
	return capacity(&uart->state) - uart->state.count;
}

static void push(struct uart_state *state, uint8_t byte)
{
	if (state->count == capacity(state)) {
		state->overrun = LSR_OE;
		/* Without the FIFO the new character replaces the one in RBR. */
		if (capacity(state) == 1)
			state->fifo[state->first] = byte;
		return;
	}
	state->fifo[(state->first + state->count) % UART_FIFO_SIZE] = byte;
	state->count++;
}

static uint8_t pop(struct uart_state *state)
{
	uint8_t byte = state->fifo[state->first];

	/* An empty receiver shows its last character again. */
	if (!state->count)
		return byte;
	state->count--;
	if (state->count)
		state->first = (state->first + 1) % UART_FIFO_SIZE;
	return byte;
}

size_t uart_input(struct uart *uart, const uint8_t *bytes, size_t count)
{
	size_t taken = MIN(count, uart_room(uart));

	for (size_t i = 0; i < taken; i++)
		push(&uart->state, bytes[i]);
	update(uart);
	return taken;
}

static void transmit(struct uart *uart, uint8_t byte)
{
	/* The transmitter is full for an instant: its interrupt makes a new edge. */
	uart->state.thre_pending = 0;
	update(uart);
	if (uart->state.mcr & MCR_LOOP)
		push(&uart->state, byte);
	else if (uart->sink.output)
		uart->sink.output(uart->sink.opaque, &byte, 1);
	uart->state.thre_pending = 1;
}

static void write_ier(struct uart_state *state, uint8_t value)
{
	uint8_t enabled = value & ~state->ier;

	state->ier = value & IER_WRITABLE;
	/* The transmitter is empty: enabling its interrupt raises it. */
	if (enabled & IER_THRE)
		state->thre_pending = 1;
}

static void write_fcr(struct uart_state *state, uint8_t value)
{
	uint8_t changed = (value ^ state->fcr) & FCR_ENABLE;

	if ((value & FCR_CLEAR_RX) || changed)
		state->count = 0;
	/* The other bits are programmed only together with the enable bit. */
	state->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT) : 0;
}

/* The modem inputs: what is plugged in is always ready; in a loop they are the outputs. */
static uint8_t modem_inputs(uint8_t mcr)
{
	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
	       (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct uart_state *state, uint8_t value)
{
	uint8_t inputs = modem_inputs(value);
	uint8_t changed = inputs ^ (state->msr & ~MSR_DELTAS);
	uint8_t deltas = state->msr & MSR_DELTAS;

	if (changed & MSR_CTS)
		deltas |= MSR_DCTS;
	if (changed & MSR_DSR)
		deltas |= MSR_DDSR;
	if (changed & ~inputs & MSR_RI)
		deltas |= MSR_TERI;
	if (changed & MSR_DCD)
		deltas |= MSR_DDCD;
	state->mcr = value & MCR_WRITABLE;
	state->msr = inputs | deltas;
}

static void write_data(struct uart *uart, uint8_t value)
{
	if (uart->state.lcr & LCR_DLAB)
		uart->state.divisor[0] = value;
	else
		transmit(uart, value);
}

static void write_second(struct uart_state *state, uint8_t value)
{
	if (state->lcr & LCR_DLAB)
		state->divisor[1] = value;
	else
		write_ier(state, value);
}

static void write_register(struct uart *uart, unsigned int offset, uint8_t value)
{
	struct uart_state *state = &uart->state;

	switch (offset) {
	case REG_DATA:
		write_data(uart, value);
		break;
	case REG_IER:
		write_second(state, value);
		break;
	case REG_IIR:
		write_fcr(state, value);
		break;
	case REG_LCR:
		state->lcr = value;
		break;
	case REG_MCR:
		write_mcr(state, value);
		break;
	case REG_SCRATCH:
		state->scratch = value;
		break;
	}
}

static uint8_t read_iir(struct uart_state *state)
{
	uint8_t iir = interrupt(state);

	if (iir == IIR_THRE)
		state->thre_pending = 0;
	return iir | (state->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct uart_state *state)
{
	uint8_t lsr = LSR_THRE | LSR_TEMT | state->overrun | (state->count ? LSR_DR : 0);

	state->overrun = 0;
	return lsr;
}

static uint8_t read_msr(struct uart_state *state)
{
	uint8_t msr = state->msr;

	state->msr &= ~MSR_DELTAS;
	return msr;
}

static uint8_t read_register(struct uart_state *state, unsigned int offset)
{
	bool dlab = state->lcr & LCR_DLAB;

	switch (offset) {
	case REG_DATA:
		return dlab ? state->divisor[0] : pop(state);
	case REG_IER:
		return dlab ? state->divisor[1] : state->ier;
	case REG_IIR:
		return read_iir(state);
	case REG_LCR:
		return state->lcr;
	case REG_MCR:
		return state->mcr;
	case REG_LSR:
		return read_lsr(state);
	case REG_MSR:
		return read_msr(state);
	default:
		return state->scratch;
	}
}

/* After every access: the interrupt line, and whoever waits for room. */
static void finish(struct uart *uart, size_t room_before)
{
	update(uart);
	if (!room_before && uart_room(uart) && uart->sink.drained)
		uart->sink.drained(uart->sink.opaque);
}

static uint8_t port_read(void *opaque, unsigned int offset)
{
	struct uart *uart = opaque;
	size_t room = uart_room(uart);
	uint8_t value = read_register(&uart->state, offset);

	finish(uart, room);
	return value;
}

static void port_write(void *opaque, unsigned int offset, uint8_t value)
{
	struct uart *uart = opaque;
	size_t room = uart_room(uart);

	write_register(uart, offset, value);
	finish(uart, room);
}

void uart_save(const struct uart *uart, struct uart_state *state)
{
	*state = uart->state;
}

static const struct state_field state_fields[] = {
	STATE_MOST(struct uart_state, first, UART_FIFO_SIZE - 1),
	STATE_BITS(struct uart_state, ier, IER_WRITABLE),
	STATE_BITS(struct uart_state, fcr, FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT),
	STATE_BITS(struct uart_state, mcr, MCR_WRITABLE),
	STATE_BITS(struct uart_state, overrun, LSR_OE),
	STATE_FLAG(struct uart_state, thre_pending),
	STATE_ZERO(struct uart_state, pad),
};

gboolean uart_load(struct uart *uart, const struct uart_state *state, GError **error)
{
	static const char name[] = "serial port";
	bool fifo_enabled = state->fcr & FCR_ENABLE;

	if (!state_check_fields(name, state_fields, G_N_ELEMENTS(state_fields), state, error) ||
	    !state_check(fifo_enabled || !state->fcr, name, "fcr", error) ||
	    !state_check(state->count <= capacity(state), name, "count", error) ||
	    !state_check((state->msr & ~MSR_DELTAS) == modem_inputs(state->mcr), name, "msr", error))
		return FALSE;
	uart->state = *state;
	update(uart);
	return TRUE;
}

struct uart *uart_new(struct bus *ports, uint16_t port, struct irq_line irq,
		      const struct uart_sink *sink)
{
	struct uart *uart = g_new0(struct uart, 1);

	uart->state.msr = modem_inputs(0);
	uart->state.divisor[0] = 1;
	uart->irq = irq;
	uart->sink = *sink;
	uart->port = (struct port8){ port_read, port_write, uart };
	port8_claim(ports, "uart", port, UART_PORTS, &uart->port);
	return uart;
}

void uart_free(struct uart *uart)
{
	g_free(uart);
}
