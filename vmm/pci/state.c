// SPDX-License-Identifier: GPL-2.0-or-later
/* Saving and loading: structures without pointers, checked before anything is changed. */
#include "internal.h"

#include "../error.h"

#define CONFIG_ADDRESS_BITS	0x80fffffcu

#define ARRAY(member, bytes) \
	{ #member, offsetof(struct pci_device_state, member), bytes, \
	  sizeof(((struct pci_device_state *)0)->member) / (bytes), bytes }
#define MSIX(member, bytes) \
	{ "msix_" #member, offsetof(struct pci_device_state, msix) + \
	  offsetof(struct pci_msix_entry, member), bytes, PCI_MSIX_VECTORS_MAX, \
	  sizeof(struct pci_msix_entry) }

const struct pci_state_field pci_state_fields[] = {
	ARRAY(config, 1),
	MSIX(address, 8),
	MSIX(data, 4),
	MSIX(control, 4),
	ARRAY(msix_pending, 8),
	ARRAY(intx, 1),
	ARRAY(unplug, 1),
};
const unsigned int pci_state_field_count = G_N_ELEMENTS(pci_state_fields);

/* A new member needs a row above. */
G_STATIC_ASSERT(sizeof(struct pci_device_state) ==
		PCI_CONFIG_SIZE + 16 * PCI_MSIX_VECTORS_MAX + PCI_MSIX_VECTORS_MAX / 8 + 8);

void pci_device_save(const struct pci_device *device, struct pci_device_state *state)
{
	*state = device->state;
	for (unsigned int i = 0; i < device->config.msix.vectors; i++)
		if (pci_msix_pending(device, i))
			state->msix_pending[i / 64] |= 1ull << (i % 64);
}

/* Bits that neither the guest nor the function's kind decides: presence in a slot is what
 * we put there, the link follows from the slot's registers. */
static uint8_t derived_bits(const struct pci_device *device, unsigned int at)
{
	if (!device->bridge)
		return 0;
	if (at == device->express + PCI_EXP_LNKSTA + 1)
		return PCI_EXP_LNKSTA_DLLLA >> 8;
	if (at == device->express + PCI_EXP_SLTSTA)
		return PCI_EXP_SLTSTA_PDS;
	return 0;
}

/* Functions refresh hooked capabilities as they like, but for ID and link. */
static bool may_refresh(const struct pci_device *device, unsigned int at)
{
	unsigned int capability = device->hooked[at / 4];

	return capability && at >= capability + PCI_CAP_FLAGS;
}

static gboolean check_config(const struct pci_device *device, const struct pci_device_state *state,
			     GError **error)
{
	for (unsigned int at = 0; at < PCI_CONFIG_SIZE; at++) {
		uint8_t may_differ = device->writable[at] | device->clearable[at] |
				     derived_bits(device, at);

		if (!may_refresh(device, at) &&
		    (state->config[at] ^ device->state.config[at]) & ~may_differ)
			return error_set(error, "%s: configuration space differs at 0x%02x: 0x%02x "
					 "was saved, this function has 0x%02x", device->config.name,
					 at, state->config[at], device->state.config[at]);
	}
	return TRUE;
}

static bool entry_is_possible(const struct pci_msix_entry *entry, bool exists)
{
	if (!exists)
		return !entry->address && !entry->data && !entry->control;
	return entry->address % 4 == 0 && !(entry->control & ~PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool pending_is_possible(const struct pci_device_state *state, unsigned int vector,
				bool exists)
{
	return exists || !(state->msix_pending[vector / 64] & 1ull << (vector % 64));
}

static gboolean check_msix(const struct pci_device *device, const struct pci_device_state *state,
			   GError **error)
{
	for (unsigned int i = 0; i < PCI_MSIX_VECTORS_MAX; i++) {
		bool exists = i < device->config.msix.vectors;

		if (!entry_is_possible(&state->msix[i], exists) ||
		    !pending_is_possible(state, i, exists))
			return error_set(error, "%s: MSI-X vector %u has a state that it cannot have",
					 device->config.name, i);
	}
	return TRUE;
}

static gboolean check_rest(const struct pci_device *device, const struct pci_device_state *state,
			   GError **error)
{
	static const uint8_t zero[sizeof(state->pad)];

	if (state->intx > 1 || state->unplug > PCI_UNPLUG_PULLED || memcmp(state->pad, zero, sizeof(zero)) ||
	    (state->unplug && !device->port))
		return error_set(error, "%s: the PCI state has flags that it cannot have",
				 device->config.name);
	return TRUE;
}

static gboolean check_device(const struct pci_device *device,
			     const struct pci_device_state *state, GError **error)
{
	return check_config(device, state, error) && check_msix(device, state, error) &&
	       check_rest(device, state, error);
}

gboolean pci_device_load(struct pci_device *device, const struct pci_device_state *state,
			 GError **error)
{
	if (!check_device(device, state, error))
		return FALSE;
	device->state = *state;
	if (!device->host)
		return TRUE;
	if (device->bridge)
		pci_port_refresh(device->bridge);
	pci_host_remap(device->host);
	pci_msix_refresh(device);
	pci_intx_refresh(device);
	return TRUE;
}

void pci_host_save(const struct pci_host *host, struct pci_host_state *state)
{
	*state = host->state;
}

static gboolean check_host(const struct pci_host_state *state, GError **error)
{
	if ((state->config_address & ~CONFIG_ADDRESS_BITS) || state->pad)
		return error_set(error, "the PCI host's state has bits that it cannot have");
	return TRUE;
}

gboolean pci_host_load(struct pci_host *host, const struct pci_host_state *state, GError **error)
{
	if (!check_host(state, error))
		return FALSE;
	host->state = *state;
	return TRUE;
}

/* ------------------------------------------------------------ all functions at once */

static gboolean check_place(const struct pci_host *host, unsigned int place,
			    const struct pci_device_state *state, GError **error)
{
	const struct pci_device *device = pci_host_at(host, place);
	const char *behind = place < PCI_SLOTS ? "" : "behind the root port in ";
	unsigned int slot = place % PCI_SLOTS;

	if (device && state)
		return check_device(device, state, error);
	if (device)
		return error_set(error, "%s, %sPCI slot %u of this machine, is not in the checkpoint",
				 device->config.name, behind, slot);
	if (state)
		return error_set(error, "the checkpoint has a device (%04x:%04x) %sPCI slot %u, where "
				 "this machine has none",
				 pci_get16(state->config, PCI_VENDOR_ID),
				 pci_get16(state->config, PCI_DEVICE_ID),
				 place < PCI_SLOTS ? "in " : behind, slot);
	return TRUE;
}

static gboolean check_ports(const struct pci_host *host, GError **error)
{
	for (unsigned int i = 0; i < host->port_count; i++)
		if (!pci_port_agrees(&host->ports[i]))
			return error_set(error, "the root port in PCI slot %u has a state that does "
					 "not go with what is in its slot",
					 host->ports[i].function->slot);
	return TRUE;
}

/* Gives each function the state of its place, and takes the one that it had. */
static void exchange(struct pci_host *host, struct pci_device_state *states)
{
	for (unsigned int place = 0; place < PCI_PLACES; place++) {
		struct pci_device *device = pci_host_at(host, place);
		struct pci_device_state old;

		if (!device)
			continue;
		old = device->state;
		device->state = states[place];
		states[place] = old;
	}
}

static void refresh_all(struct pci_host *host)
{
	pci_host_remap(host);
	for (unsigned int place = 0; place < PCI_PLACES; place++) {
		struct pci_device *device = pci_host_at(host, place);

		if (!device)
			continue;
		pci_msix_refresh(device);
		pci_intx_refresh(device);
	}
}

/* A port's registers and what is behind it are checked against each other when both are in
 * place; nobody has been told of them by then. */
gboolean pci_bus_load(struct pci_host *host, const struct pci_host_state *host_state,
		      const struct pci_device_state *const states[PCI_PLACES], GError **error)
{
	g_autofree struct pci_device_state *copies = NULL;

	if (!check_host(host_state, error))
		return FALSE;
	for (unsigned int place = 0; place < PCI_PLACES; place++)
		if (!check_place(host, place, states[place], error))
			return FALSE;
	copies = g_new0(struct pci_device_state, PCI_PLACES);
	for (unsigned int place = 0; place < PCI_PLACES; place++)
		if (states[place])
			copies[place] = *states[place];
	exchange(host, copies);
	if (!check_ports(host, error)) {
		exchange(host, copies);
		return FALSE;
	}
	host->state = *host_state;
	host->assigned = true;
	refresh_all(host);
	return TRUE;
}
