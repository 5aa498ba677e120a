/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints, group "mica": /sys/kernel/tracing/events/mica. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mica

#if !defined(MICA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MICA_TRACE_H

#include <linux/tracepoint.h>

/* The guest has left: every exit, with the CPU's own reason and its name in our table. */
TRACE_EVENT(mica_exit,
	TP_PROTO(unsigned int vcpu, unsigned int reason, const char *name, u64 rip,
		 u64 qualification),
	TP_ARGS(vcpu, reason, name, rip, qualification),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, reason)
		__array(char, name, 24)
		__field(u64, rip)
		__field(u64, qualification)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->reason = reason;
		strscpy(__entry->name, name, sizeof(__entry->name));
		__entry->rip = rip;
		__entry->qualification = qualification;
	),
	TP_printk("vcpu %u reason %u %s rip 0x%llx qualification 0x%llx", __entry->vcpu,
		  __entry->reason, __entry->name, __entry->rip, __entry->qualification)
);

/* User space is told; the reason is enum mica_exit. */
TRACE_EVENT(mica_user_exit,
	TP_PROTO(unsigned int vcpu, unsigned int reason),
	TP_ARGS(vcpu, reason),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, reason)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->reason = reason;
	),
	TP_printk("vcpu %u reason %u", __entry->vcpu, __entry->reason)
);

/* An event goes into the guest at the next entry; info is MICA_EVENT_*. */
TRACE_EVENT(mica_inject,
	TP_PROTO(unsigned int vcpu, u32 info, u32 error),
	TP_ARGS(vcpu, info, error),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u32, info)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->info = info;
		__entry->error = error;
	),
	TP_printk("vcpu %u event 0x%x error 0x%x", __entry->vcpu, __entry->info, __entry->error)
);

/* A second-level fault was looked at; result as of mica_memory_fault(). */
TRACE_EVENT(mica_fault,
	TP_PROTO(unsigned int vcpu, u64 gpa, u32 access, int result),
	TP_ARGS(vcpu, gpa, access, result),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, gpa)
		__field(u32, access)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->gpa = gpa;
		__entry->access = access;
		__entry->result = result;
	),
	TP_printk("vcpu %u gpa 0x%llx access %u result %d", __entry->vcpu, __entry->gpa,
		  __entry->access, __entry->result)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
