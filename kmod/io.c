// SPDX-License-Identifier: GPL-2.0-only
/* Exits that the backend has decoded and that the core, or user space, answers. */
#include "ports.h"
#include "vcpu.h"

void mica_io_answer(struct mica_vcpu *vcpu, u8 size, u64 data)
{
	u64 *rax = &vcpu->gprs[MICA_RAX];

	switch (size) {
	case 1:
		*rax = (*rax & ~0xffull) | (u8)data;
		break;
	case 2:
		*rax = (*rax & ~0xffffull) | (u16)data;
		break;
	default:
		*rax = (u32)data;
	}
}

/* True: it is done but for RIP. */
static bool answered(struct mica_vcpu *vcpu, u16 port, u8 size, bool write, u32 value)
{
	if (write)
		return mica_ports_write(vcpu, port, size, value);
	if (!mica_ports_ignore_read(vcpu, port, size))
		return false;
	mica_io_answer(vcpu, size, ~0ull);
	return true;
}

enum mica_next mica_exit_io(struct mica_vcpu *vcpu, u16 port, u8 size, bool write)
{
	struct mica_exit_io *io = &vcpu->run->io;
	u64 value = write ? vcpu->gprs[MICA_RAX] & GENMASK_ULL(8 * size - 1, 0) : 0;

	mica_backend->advance(vcpu);
	if (answered(vcpu, port, size, write, value))
		return MICA_NEXT_ENTER;
	io->port = port;
	io->size = size;
	io->pad = 0;
	io->flags = write ? MICA_IO_WRITE : 0;
	io->data = value;
	vcpu->io.pending = !write;
	vcpu->io.size = size;
	vcpu->run->exit_reason = MICA_EXIT_IO;
	return MICA_NEXT_USER;
}

enum mica_next mica_exit_io_string(struct mica_vcpu *vcpu, u16 port, u8 size, bool write)
{
	struct mica_exit_io *io = &vcpu->run->io;

	io->port = port;
	io->size = size;
	io->pad = 0;
	io->flags = MICA_IO_STRING | (write ? MICA_IO_WRITE : 0);
	io->data = 0;
	vcpu->run->exit_reason = MICA_EXIT_IO;
	return MICA_NEXT_USER;
}

enum mica_next mica_exit_mmio(struct mica_vcpu *vcpu, u64 gpa, u64 gva, u32 flags)
{
	struct mica_exit_mmio *mmio = &vcpu->run->mmio;

	mmio->gpa = gpa;
	mmio->gva = gva;
	mmio->flags = flags;
	mmio->error = 0;
	vcpu->run->exit_reason = MICA_EXIT_MMIO;
	vcpu->count.mmio++;
	return MICA_NEXT_USER;
}

enum mica_next mica_exit_fail(struct mica_vcpu *vcpu, enum mica_exit reason, u64 hw_reason,
			      u64 qualification, const char *name)
{
	struct mica_exit_fail *fail = &vcpu->run->fail;

	memset(fail, 0, sizeof(*fail));
	fail->hw_reason = hw_reason;
	fail->qualification = qualification;
	strscpy(fail->name, name, sizeof(fail->name));
	vcpu->run->exit_reason = reason;
	return MICA_NEXT_USER;
}

enum mica_next mica_exit_s2_fault(struct mica_vcpu *vcpu, u64 gpa, u64 gva, u32 access,
				  u32 mmio_flags)
{
	int result = mica_memory_fault(vcpu, gpa, access);

	if (!result) {
		vcpu->count.faults++;
		return MICA_NEXT_ENTER;
	}
	/* A signal: the loop sees it. */
	if (result == -EINTR)
		return MICA_NEXT_HOST;
	mica_exit_mmio(vcpu, gpa, gva, mmio_flags);
	if (result < 0) {
		vcpu->run->exit_reason = MICA_EXIT_MEMORY_FAULT;
		vcpu->run->mmio.error = result;
	}
	return MICA_NEXT_USER;
}

enum mica_next mica_exit_hlt(struct mica_vcpu *vcpu)
{
	mica_backend->advance(vcpu);
	if (mica_event_wakes(vcpu)) {
		mica_vcpu_request(vcpu, MICA_REQ_EVENT);
		return MICA_NEXT_ENTER;
	}
	vcpu->mp_state = MICA_MP_HALTED;
	return MICA_NEXT_BLOCK;
}

enum mica_next mica_exit_shutdown(struct mica_vcpu *vcpu)
{
	vcpu->mp_state = MICA_MP_SHUTDOWN;
	vcpu->run->exit_reason = MICA_EXIT_SHUTDOWN;
	return MICA_NEXT_USER;
}
