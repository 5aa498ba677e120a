// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>

#include "rtc_time.h"

#define DAY_SECONDS		86400
#define DAY_MINUTES		1440
#define HOURS_PM		0x80
#define ALARM_ANY		0xc0	/* both bits set: the field matches always */

/* Numbers, not register contents. */
struct rtc_fields {
	unsigned int second;	/* 0..59 */
	unsigned int minute;	/* 0..59 */
	unsigned int hour;	/* 0..23 */
	unsigned int weekday;	/* 0..6, 0 is Sunday */
	unsigned int day;	/* 1.. */
	unsigned int month;	/* 1..12 */
	unsigned int year;	/* with the century */
};

static unsigned int decode(uint8_t b, uint8_t value)
{
	return b & RTC_B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode(uint8_t b, unsigned int value)
{
	return b & RTC_B_BINARY ? value : value / 10 << 4 | value % 10;
}

static unsigned int decode_hour(uint8_t b, uint8_t value)
{
	if (b & RTC_B_24H)
		return decode(b, value);
	return decode(b, value & ~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

static uint8_t encode_hour(uint8_t b, unsigned int hour)
{
	if (b & RTC_B_24H)
		return encode(b, hour);
	return encode(b, (hour + 11) % 12 + 1) | (hour >= 12 ? HOURS_PM : 0);
}

/* What is no time of day is taken modulo, so that the rest can rely on the ranges. */
static struct rtc_fields read_fields(const uint8_t *cmos)
{
	uint8_t b = cmos[RTC_B];

	return (struct rtc_fields){
		.second = decode(b, cmos[RTC_SECONDS]) % 60,
		.minute = decode(b, cmos[RTC_MINUTES]) % 60,
		.hour = decode_hour(b, cmos[RTC_HOURS]) % 24,
		.weekday = (decode(b, cmos[RTC_WEEKDAY]) + 6) % 7,
		.day = decode(b, cmos[RTC_DAY]),
		.month = (decode(b, cmos[RTC_MONTH]) + 11) % 12 + 1,
		.year = decode(b, cmos[RTC_CENTURY]) % 100 * 100 +
			decode(b, cmos[RTC_YEAR]) % 100,
	};
}

static void write_fields(uint8_t *cmos, const struct rtc_fields *fields)
{
	uint8_t b = cmos[RTC_B];

	cmos[RTC_SECONDS] = encode(b, fields->second);
	cmos[RTC_MINUTES] = encode(b, fields->minute);
	cmos[RTC_HOURS] = encode_hour(b, fields->hour);
	cmos[RTC_WEEKDAY] = encode(b, fields->weekday + 1);
	cmos[RTC_DAY] = encode(b, fields->day % 100);
	cmos[RTC_MONTH] = encode(b, fields->month);
	cmos[RTC_YEAR] = encode(b, fields->year % 100);
	cmos[RTC_CENTURY] = encode(b, fields->year / 100 % 100);
}

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

/*
 * Days since 1970-01-01 in the Gregorian calendar.  Years are counted from March, which
 * puts the leap day at their end; the length of the months from March on is a straight
 * line: (153 * month + 2) / 5 days lie before month 0..11.
 */
static int64_t days_from_date(unsigned int year, unsigned int month, unsigned int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t m = (month + 9) % 12;

	return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) +
	       (153 * m + 2) / 5 + day - 1 - 719468;
}

static void date_from_days(int64_t days, struct rtc_fields *fields)
{
	int64_t shifted = days + 719468;
	int64_t era = floor_div(shifted, 146097);
	int64_t day = shifted - era * 146097;
	int64_t y = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t day_of_year = day - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * day_of_year + 2) / 153;
	int64_t year = era * 400 + y + (m >= 10);

	fields->day = day_of_year - (153 * m + 2) / 5 + 1;
	fields->month = m < 10 ? m + 3 : m - 9;
	fields->year = year - floor_div(year, 10000) * 10000;
}

static void set_seconds(struct rtc_fields *fields, int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS);
	unsigned int rest = seconds - days * DAY_SECONDS;

	fields->second = rest % 60;
	fields->minute = rest / 60 % 60;
	fields->hour = rest / 3600;
	date_from_days(days, fields);
}

void rtc_set_time(uint8_t *cmos, int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS);
	struct rtc_fields fields;

	set_seconds(&fields, seconds);
	/* 1970-01-01 was a Thursday. */
	fields.weekday = days + 4 - floor_div(days + 4, 7) * 7;
	write_fields(cmos, &fields);
}

/* The day of the week is a counter of its own: the guest may have set it to anything. */
void rtc_advance(uint8_t *cmos, int64_t seconds)
{
	struct rtc_fields fields = read_fields(cmos);
	int64_t days = days_from_date(fields.year, fields.month, fields.day);
	int64_t time = fields.hour * 3600 + fields.minute * 60 + fields.second + seconds;
	int64_t weekday = fields.weekday + floor_div(time, DAY_SECONDS);

	set_seconds(&fields, days * DAY_SECONDS + time);
	fields.weekday = weekday - floor_div(weekday, 7) * 7;
	write_fields(cmos, &fields);
}

void rtc_set_format(uint8_t *cmos, uint8_t b)
{
	uint8_t changed = (b ^ cmos[RTC_B]) & (RTC_B_BINARY | RTC_B_24H);
	struct rtc_fields fields = read_fields(cmos);

	cmos[RTC_B] = b;
	if (changed)
		write_fields(cmos, &fields);
}

static bool is_any(uint8_t value)
{
	return (value & ALARM_ANY) == ALARM_ANY;
}

unsigned int rtc_seconds_to_alarm(const uint8_t *cmos)
{
	uint8_t b = cmos[RTC_B];
	struct rtc_fields now = read_fields(cmos);
	bool any_second = is_any(cmos[RTC_SECONDS_ALARM]);
	bool any_minute = is_any(cmos[RTC_MINUTES_ALARM]);
	bool any_hour = is_any(cmos[RTC_HOURS_ALARM]);
	unsigned int second = decode(b, cmos[RTC_SECONDS_ALARM]);
	unsigned int minute = decode(b, cmos[RTC_MINUTES_ALARM]);
	unsigned int hour = decode_hour(b, cmos[RTC_HOURS_ALARM]);
	unsigned int start = now.hour * 60 + now.minute;

	if (!any_second && second > 59)
		return 0;
	for (unsigned int i = 0; i <= DAY_MINUTES; i++) {
		unsigned int at = (start + i) % DAY_MINUTES;
		unsigned int from = i ? 0 : now.second + 1;

		if ((!any_hour && at / 60 != hour) || (!any_minute && at % 60 != minute))
			continue;
		if (!any_second && second >= from)
			return i * 60 + second - now.second;
		if (any_second && from <= 59)
			return i * 60 + from - now.second;
	}
	return 0;
}
