// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PCI Express capability, version 2: PCI Express Base Specification, "PCI Express
 * Capability Structure".  The link is the slowest and narrowest that there is, which costs
 * nothing here.  There is no extended configuration space behind it: it reads as zero, an
 * empty list.
 */
#include "internal.h"

#define VERSION			2u
#define SIZE			0x3cu
#define BODY			2u	/* the body begins behind ID and link */

#define DEVCTL_WRITABLE		(PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE | \
				 PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN | \
				 PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_NOSNOOP_EN | \
				 PCI_EXP_DEVCTL_READRQ)
#define DEVCTL_INITIAL		(PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | \
				 PCI_EXP_DEVCTL_READRQ_512B)
#define LNKCAP_X1		0x10u
#define LNKCAP_PORT_SHIFT	24
#define LNKCTL_WRITABLE		(PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES)
#define SLTCAP_NUMBER_SHIFT	19
#define SLTCTL_WRITABLE		(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PFDE | PCI_EXP_SLTCTL_PDCE | \
				 PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_AIC | \
				 PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_DLLSCE)
#define SLTSTA_CLEARABLE	(PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PFD | PCI_EXP_SLTSTA_PDC | \
				 PCI_EXP_SLTSTA_CC | PCI_EXP_SLTSTA_DLLSC)
#define RTCTL_WRITABLE		(PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE | \
				 PCI_EXP_RTCTL_SEFEE | PCI_EXP_RTCTL_PMEIE)

/* As a whole, so that the offsets are those of the specification. */
struct express {
	uint8_t bytes[SIZE];
	uint8_t writable[SIZE];
};

static void fill_common(struct express *express, uint16_t type)
{
	pci_put16(express->bytes, PCI_EXP_FLAGS, VERSION | type << 4);
	pci_put32(express->bytes, PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	pci_put16(express->bytes, PCI_EXP_DEVCTL, DEVCTL_INITIAL);
	pci_put16(express->writable, PCI_EXP_DEVCTL, DEVCTL_WRITABLE);
	pci_put32(express->bytes, PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | LNKCAP_X1);
	pci_put16(express->writable, PCI_EXP_LNKCTL, LNKCTL_WRITABLE);
	pci_put16(express->bytes, PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB |
		  PCI_EXP_LNKSTA_NLW_X1);
	pci_put32(express->bytes, PCI_EXP_LNKCAP2, PCI_EXP_LNKCAP2_SLS_2_5GB);
	pci_put16(express->bytes, PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_2_5GT);
}

static void add(struct pci_device *device, const struct express *express)
{
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_EXP,
		.body = express->bytes + BODY,
		.writable = express->writable + BODY,
		.length = SIZE - BODY,
	};

	device->express = pci_add_capability(device, &capability);
}

void pci_express_add_endpoint(struct pci_device *device)
{
	struct express express = { 0 };

	fill_common(&express, PCI_EXP_TYPE_ENDPOINT);
	add(device, &express);
}

/*
 * Commands of the slot take effect at once, hence "No Command Completed Support".  The
 * slot's power is off until somebody turns it on, and so are its lamps.
 */
void pci_express_add_port(struct pci_device *device, unsigned int number)
{
	struct express express = { 0 };
	uint8_t *bytes = express.bytes;

	fill_common(&express, PCI_EXP_TYPE_ROOT_PORT);
	pci_put16(bytes, PCI_EXP_FLAGS, pci_get16(bytes, PCI_EXP_FLAGS) | PCI_EXP_FLAGS_SLOT);
	pci_put32(bytes, PCI_EXP_LNKCAP, pci_get32(bytes, PCI_EXP_LNKCAP) |
		  PCI_EXP_LNKCAP_DLLLARC | number << LNKCAP_PORT_SHIFT);
	pci_put16(express.writable, PCI_EXP_LNKCTL, LNKCTL_WRITABLE | PCI_EXP_LNKCTL_LD);
	pci_put32(bytes, PCI_EXP_SLTCAP, PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP |
		  PCI_EXP_SLTCAP_AIP | PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_HPC |
		  PCI_EXP_SLTCAP_NCCS | number << SLTCAP_NUMBER_SHIFT);
	pci_put16(bytes, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_ATTN_IND_OFF |
		  PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PWR_OFF);
	pci_put16(express.writable, PCI_EXP_SLTCTL, SLTCTL_WRITABLE);
	pci_put16(express.writable, PCI_EXP_RTCTL, RTCTL_WRITABLE);
	add(device, &express);
	pci_put16(device->clearable, device->express + PCI_EXP_SLTSTA, SLTSTA_CLEARABLE);
}
