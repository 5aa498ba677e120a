/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time registers of an MC146818: their encodings, the calendar, the alarm.  All of
 * it works on the register file, with whatever a guest has put there.
 */
#ifndef MICA_VMM_CHIPSET_RTC_TIME_H
#define MICA_VMM_CHIPSET_RTC_TIME_H

#include <stdint.h>

#define RTC_CMOS_SIZE		128

enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_WEEKDAY = 0x06,	/* 1 is Sunday */
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_CENTURY = 0x32,	/* also the FADT's CENTURY */
};

#define RTC_B_SET		0x80
#define RTC_B_BINARY		0x04	/* clear: BCD */
#define RTC_B_24H		0x02

/* Sets the time registers to a time since the epoch, UTC. */
void rtc_set_time(uint8_t *cmos, int64_t seconds);

/* Lets `seconds` pass, or takes them back. */
void rtc_advance(uint8_t *cmos, int64_t seconds);

/* Writes register B, and the time registers in the format that it then has. */
void rtc_set_format(uint8_t *cmos, uint8_t b);

/* Seconds until the alarm registers match next, 1..86400; 0: never. */
unsigned int rtc_seconds_to_alarm(const uint8_t *cmos);

#endif
