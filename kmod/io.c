// SPDX-License-Identifier: GPL-2.0-only
/* Exits that the backend has decoded and that the core, or user space, answers. */
#include "vcpu.h"

enum mica_next mica_exit_io(struct mica_vcpu *vcpu, u16 port, u8 size, bool write)
{
	struct mica_exit_io *io = &vcpu->run->io;

	io->port = port;
	io->size = size;
	io->pad = 0;
	io->flags = write ? MICA_IO_WRITE : 0;
	io->data = write ? vcpu->gprs[MICA_RAX] & GENMASK_ULL(8 * size - 1, 0) : 0;
	vcpu->io.pending = !write;
	vcpu->io.size = size;
	vcpu->run->exit_reason = MICA_EXIT_IO;
	mica_backend->advance(vcpu);
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
