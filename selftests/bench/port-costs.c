// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * port-costs kvm|mica: what a guest's port access costs that the kernel answers, in ticks of
 * the TSC, which under Bochs are instructions of the whole machine.  A real-mode guest times
 * each operation 201 times; "NAME TICKS" is the median, less what reading the clock costs.
 * Nobody waits for the eventfds, so no thread is woken.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <mica.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define RAM_SIZE	0x10000
#define CODE		0x1000
#define SAMPLES_AT	0x2000
#define SAMPLES		201
#define SIGNAL_PORT	0x1000		/* signals an eventfd */
#define DATA_PORT	0x1010		/* the same for 16 bits of DATA only */
#define DATA		0x55
#define PIC_MASK_PORT	0x21		/* KVM's PIC answers in the kernel */
#define POST_PORT	0x80
#define END_PORT	0xe1		/* nobody's business: to user space */

/* The port is in BX and the value in BP. */
#define TIMED(name, operation) \
	extern const char name[], name##_end[]; \
	__asm__(".pushsection .rodata\n" #name ":\n.code16\n" \
		"mov $0x2000, %di\n mov $201, %cx\n" \
		"1: lfence\n rdtsc\n mov %eax, %esi\n mov %bp, %ax\n mov %bx, %dx\n" \
		operation "\n" \
		"lfence\n rdtsc\n sub %esi, %eax\n mov %eax, (%di)\n add $4, %di\n loop 1b\n" \
		"out %al, $0xe1\n" \
		#name "_end:\n.code64\n.popsection\n")

TIMED(code_nothing, "");
TIMED(code_out8, "out %al, %dx");
TIMED(code_out16, "out %ax, %dx");
TIMED(code_in8, "in %dx, %al");

static const struct operation {
	const char *name;		/* NULL: what reading the clock costs; comes first */
	const char *code, *code_end;
	uint16_t kvm_port, mica_port;
} operations[] = {
	{ NULL, code_nothing, code_nothing_end, 0, 0 },
	{ "kernel-port-signal", code_out8, code_out8_end, SIGNAL_PORT, SIGNAL_PORT },
	{ "kernel-port-signal-data", code_out16, code_out16_end, DATA_PORT, DATA_PORT },
	{ "kernel-port-write", code_out8, code_out8_end, PIC_MASK_PORT, POST_PORT },
	{ "kernel-port-read", code_in8, code_in8_end, PIC_MASK_PORT, POST_PORT },
};
#define OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

static uint8_t *ram;

static int must(int result, const char *what)
{
	if (result < 0)
		err(2, "%s", what);
	return result;
}

static void *map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		err(2, "mmap");
	return at;
}

static int new_eventfd(void)
{
	return must(eventfd(0, EFD_CLOEXEC), "eventfd");
}

static void load(const struct operation *operation)
{
	memcpy(ram + CODE, operation->code, operation->code_end - operation->code);
}

/* ------------------------------------------------------------ KVM */

static struct {
	int vcpu;
	struct kvm_run *run;
} kvm;

static void kvm_bind(int vm, uint64_t port, uint32_t size, uint32_t flags)
{
	struct kvm_ioeventfd binding = {
		.datamatch = DATA, .addr = port, .len = size, .fd = new_eventfd(),
		.flags = KVM_IOEVENTFD_FLAG_PIO | flags,
	};

	must(ioctl(vm, KVM_IOEVENTFD, &binding), "KVM_IOEVENTFD");
}

static void kvm_create(void)
{
	struct kvm_userspace_memory_region memory = {
		.memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)ram,
	};
	int device = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = must(ioctl(device, KVM_CREATE_VM, 0), "KVM_CREATE_VM");

	must(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &memory), "KVM_SET_USER_MEMORY_REGION");
	kvm_bind(vm, SIGNAL_PORT, 1, 0);
	kvm_bind(vm, DATA_PORT, 2, KVM_IOEVENTFD_FLAG_DATAMATCH);
	kvm.vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	kvm.run = map(kvm.vcpu, must(ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0),
				     "KVM_GET_VCPU_MMAP_SIZE"));
}

static void kvm_run(const struct operation *operation)
{
	struct kvm_regs regs = {
		.rip = CODE, .rflags = 2, .rbx = operation->kvm_port, .rbp = DATA,
	};
	struct kvm_sregs sregs;

	must(ioctl(kvm.vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(kvm.vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(kvm.vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	must(ioctl(kvm.vcpu, KVM_RUN, 0), "KVM_RUN");
	if (kvm.run->exit_reason != KVM_EXIT_IO || kvm.run->io.port != END_PORT)
		errx(2, "KVM: exit %u", kvm.run->exit_reason);
}

/* ------------------------------------------------------------ Mica */

static struct {
	int vcpu;
	struct mica_run *run;
} mica;

static void mica_bind(int vm, struct mica_io_binding binding)
{
	must(ioctl(vm, MICA_VM_BIND_IO, &binding), "MICA_VM_BIND_IO");
}

static void mica_create(void)
{
	struct mica_create_vm create_vm = { .flags = 0 };
	struct mica_create_vcpu create_vcpu = { .id = 0 };
	struct mica_memory memory = { .size = RAM_SIZE, .hva = (uintptr_t)ram };
	int device = must(open("/dev/mica", O_RDWR | O_CLOEXEC), "/dev/mica");
	int vm = must(ioctl(device, MICA_CREATE_VM, &create_vm), "MICA_CREATE_VM");

	must(ioctl(vm, MICA_VM_SET_MEMORY, &memory), "MICA_VM_SET_MEMORY");
	mica_bind(vm, (struct mica_io_binding){ .address = SIGNAL_PORT, .length = 1, .size = 1,
						.fd = new_eventfd() });
	mica_bind(vm, (struct mica_io_binding){ .address = DATA_PORT, .length = 2, .size = 2,
						.data = DATA, .flags = MICA_BIND_DATA,
						.fd = new_eventfd() });
	mica_bind(vm, (struct mica_io_binding){ .address = POST_PORT, .length = 1,
						.flags = MICA_BIND_IGNORE, .fd = -1 });
	mica.vcpu = must(ioctl(vm, MICA_VM_CREATE_VCPU, &create_vcpu), "MICA_VM_CREATE_VCPU");
	mica.run = map(mica.vcpu, MICA_RUN_SIZE);
}

static void mica_run(const struct operation *operation)
{
	struct mica_get_set_state args = { .groups = MICA_STATE_GPRS | MICA_STATE_SEGS };

	must(ioctl(mica.vcpu, MICA_VCPU_GET_STATE, &args), "MICA_VCPU_GET_STATE");
	args.state.segs.cs.base = 0;
	args.state.segs.cs.selector = 0;
	args.state.gprs.rip = CODE;
	args.state.gprs.rbx = operation->mica_port;
	args.state.gprs.rbp = DATA;
	must(ioctl(mica.vcpu, MICA_VCPU_SET_STATE, &args), "MICA_VCPU_SET_STATE");
	must(ioctl(mica.vcpu, MICA_VCPU_RUN), "MICA_VCPU_RUN");
	if (mica.run->exit_reason != MICA_EXIT_IO || mica.run->io.port != END_PORT)
		errx(2, "Mica: exit %u", mica.run->exit_reason);
}

/* ------------------------------------------------------------ measuring */

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static uint32_t median(void)
{
	uint32_t samples[SAMPLES];

	memcpy(samples, ram + SAMPLES_AT, sizeof(samples));
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	return samples[SAMPLES / 2];
}

int main(int argc, char **argv)
{
	bool is_kvm = argc == 2 && !strcmp(argv[1], "kvm");
	uint32_t overhead = 0;
	unsigned int i;

	if (!is_kvm && (argc != 2 || strcmp(argv[1], "mica")))
		errx(1, "usage: port-costs kvm|mica");
	ram = map(-1, RAM_SIZE);
	if (is_kvm)
		kvm_create();
	else
		mica_create();
	for (i = 0; i < OPERATIONS; i++) {
		load(&operations[i]);
		if (is_kvm)
			kvm_run(&operations[i]);
		else
			mica_run(&operations[i]);
		if (operations[i].name)
			printf("%s %u\n", operations[i].name, median() - overhead);
		else
			overhead = median();
	}
	return 0;
}
