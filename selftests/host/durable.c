// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes a disk so that somebody can tell later whether something is missing, and tells it.
 *
 *	durable write DISK SEED RUN WRITERS direct|buffered
 *	durable check DISK SEED LOG
 *
 * `write` says when it starts, "started RUN WRITERS", and after each fdatasync() how far a writer
 * has come: "flushed RUN WRITER NUMBER".  LOG is these lines of all runs so far, oldest first.
 *
 * Each writer has a region of its own, in slots.  What it does is a matter of SEED, its own
 * number and the operation's: which slot, how many sectors of it, data or zeroes, and whether a
 * flush follows.  So the checker can do it all again in its head.  It is content with a sector
 * if that holds what the newest flushed operation left there, or something newer: what was
 * under way when the writer died may have happened or not, for each sector.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define SECTOR		512u
#define SLOT_SECTORS	32u
#define SLOTS		64u			/* of a region */
#define REGION		(SLOTS * SLOT_SECTORS)	/* sectors */
#define WRITERS_MAX	8u
#define RUN_SHIFT	32			/* an operation's number: the run's, its own */
#define BATCH		16u			/* operations between flushes, at most */
#define AHEAD		(4 * BATCH)		/* what may have come behind the last told flush */
#define MAGIC		0x656c626172756400ull	/* "durable" */
#define COMPLAINTS	10u

struct sector {
	uint64_t magic;
	uint64_t seed;
	uint64_t number;
	uint32_t writer;
	uint32_t place;			/* in the region */
	uint64_t noise[59];
	uint64_t sum;
};

_Static_assert(sizeof(struct sector) == SECTOR, "a sector");

struct operation {
	uint64_t number;
	uint32_t first;			/* sector of the region */
	uint32_t count;
	bool zeroes;
	bool flush;			/* behind it */
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static struct operation operation(uint64_t seed, uint32_t writer, uint64_t number)
{
	uint64_t chance = mix(mix(mix(seed) ^ writer) ^ number);
	struct operation op = { .number = number };

	op.first = chance % SLOTS * SLOT_SECTORS;
	op.count = 1 + (chance >> 16) % SLOT_SECTORS;
	op.zeroes = (chance >> 32) % 8 == 0;
	op.flush = (chance >> 40) % 6 == 0 || number % BATCH == 0;
	return op;
}

static uint64_t sum_of(const struct sector *sector)
{
	const uint64_t *words = (const uint64_t *)sector;
	uint64_t sum = MAGIC;

	for (size_t i = 0; i < SECTOR / sizeof(*words) - 1; i++)
		sum = (sum ^ words[i]) * 0x100000001b3ull + (sum >> 47);
	return sum;
}

static void fill(struct sector *sector, uint64_t seed, uint32_t writer, uint64_t number,
		 uint32_t place)
{
	uint64_t noise = mix(seed ^ number ^ (uint64_t)place << 48);

	sector->magic = MAGIC;
	sector->seed = seed;
	sector->number = number;
	sector->writer = writer;
	sector->place = place;
	for (size_t i = 0; i < sizeof(sector->noise) / sizeof(*sector->noise); i++) {
		noise ^= noise << 13;
		noise ^= noise >> 7;
		noise ^= noise << 17;
		sector->noise[i] = noise;
	}
	sector->sum = sum_of(sector);
}

/* ---------------------------------------------------------------- writing */

struct writer {
	pthread_t thread;
	const char *disk;
	uint64_t seed;
	uint64_t run;
	uint32_t index;
	int flags;
	int error;
};

static int do_operation(const struct writer *writer, int fd, const struct operation *op,
			struct sector *buffer)
{
	off_t offset = ((off_t)writer->index * REGION + op->first) * SECTOR;
	size_t length = op->count * SECTOR;
	ssize_t count;

	if (op->zeroes)
		return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length) ?
		       errno : 0;
	for (uint32_t i = 0; i < op->count; i++)
		fill(&buffer[i], writer->seed, writer->index, op->number, op->first + i);
	count = pwrite(fd, buffer, length, offset);
	if (count == (ssize_t)length)
		return 0;
	return count < 0 ? errno : EIO;
}

/* In one write(), so that the writers' lines stay apart; goes on when it has left the UART. */
static void tell(const struct writer *writer, uint64_t number)
{
	char line[80];
	int length = snprintf(line, sizeof(line), "flushed %llu %u %llu\n",
			      (unsigned long long)writer->run, writer->index,
			      (unsigned long long)(number & UINT32_MAX));

	if (write(STDOUT_FILENO, line, length) != length)
		abort();
	tcdrain(STDOUT_FILENO);
}

static void *write_on(void *opaque)
{
	struct writer *writer = opaque;
	int fd = open(writer->disk, O_RDWR | O_CLOEXEC | writer->flags);
	struct operation op;
	void *buffer;

	if (fd < 0 || posix_memalign(&buffer, 4096, SLOT_SECTORS * SECTOR)) {
		writer->error = errno ? errno : ENOMEM;
		return NULL;
	}
	for (uint64_t n = 1; !writer->error; n++) {
		op = operation(writer->seed, writer->index, writer->run << RUN_SHIFT | n);
		writer->error = do_operation(writer, fd, &op, buffer);
		if (!writer->error && op.flush) {
			if (fdatasync(fd) == 0)
				tell(writer, op.number);
			else
				writer->error = errno;
		}
	}
	free(buffer);
	close(fd);
	return NULL;
}

/* Ends only when each writer has had an error. */
static int write_all(const char *disk, uint64_t seed, uint64_t run, uint32_t count, int flags)
{
	struct writer writers[WRITERS_MAX] = { 0 };

	if (!count || count > WRITERS_MAX)
		return 2;
	printf("started %llu %u\n", (unsigned long long)run, count);
	fflush(stdout);
	for (uint32_t i = 0; i < count; i++) {
		writers[i] = (struct writer){ .disk = disk, .seed = seed, .run = run,
					      .index = i, .flags = flags };
		if (pthread_create(&writers[i].thread, NULL, write_on, &writers[i]))
			abort();
	}
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(writers[i].thread, NULL);
		printf("stopped %llu %u: %s\n", (unsigned long long)run, i,
		       strerror(writers[i].error));
	}
	return 1;
}

/* ---------------------------------------------------------------- checking */

/* What a sector may hold: [newest flushed] or anything newer that may have been written. */
struct expected {
	uint64_t flushed;		/* number of the operation; 0: none */
	uint64_t zeroed;		/* of the newest one with zeroes, flushed or not */
	uint64_t newest;		/* that may have been written */
	bool zeroes;			/* what `flushed` left */
};

struct log {
	uint64_t run;
	uint32_t writers;
	uint64_t flushed[WRITERS_MAX];
};

static struct expected expectations[WRITERS_MAX][REGION];

static void expect(uint64_t seed, uint32_t writer, uint64_t number, bool flushed)
{
	struct operation op = operation(seed, writer, number);
	struct expected *expected = &expectations[writer][op.first];

	for (uint32_t i = 0; i < op.count; i++, expected++) {
		if (flushed) {
			expected->flushed = number;
			expected->zeroes = op.zeroes;
		}
		if (op.zeroes)
			expected->zeroed = number;
		expected->newest = number;
	}
}

/* Does a run again, and what may have come behind its last flush. */
static void replay(const struct log *log, uint64_t seed)
{
	for (uint32_t writer = 0; writer < log->writers; writer++) {
		uint64_t number = log->run << RUN_SHIFT;

		for (uint64_t i = 1; i <= log->flushed[writer]; i++)
			expect(seed, writer, number | i, true);
		for (uint64_t i = 1; i <= AHEAD; i++)
			expect(seed, writer, number | (log->flushed[writer] + i), false);
	}
}

static bool read_log(const char *path, uint64_t seed, uint64_t *flushes)
{
	unsigned long long run, number;
	struct log log = { 0 };
	unsigned int writer;
	char line[128];
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "started %llu %u", &run, &writer) == 2 && writer <= WRITERS_MAX) {
			replay(&log, seed);
			log = (struct log){ .run = run, .writers = writer };
		} else if (sscanf(line, "flushed %llu %u %llu", &run, &writer, &number) == 3 &&
			   strchr(line, '\n') && run == log.run && writer < log.writers) {
			log.flushed[writer] = number;
			++*flushes;
		}
	}
	replay(&log, seed);
	fclose(f);
	return true;
}

static bool is_zero(const struct sector *sector)
{
	static const struct sector zeroes;

	return !memcmp(sector, &zeroes, sizeof(zeroes));
}

/* What is wrong with the sector; NULL: nothing. */
static const char *judge(const struct sector *sector, uint64_t seed, uint32_t writer,
			 uint32_t place)
{
	const struct expected *expected = &expectations[writer][place];
	struct operation op;

	if (is_zero(sector)) {
		if (!expected->flushed || expected->zeroes || expected->zeroed > expected->flushed)
			return NULL;
		return "has zeroes instead of flushed data";
	}
	if (sector->magic != MAGIC || sector->sum != sum_of(sector))
		return "is damaged";
	if (sector->seed != seed || sector->writer != writer || sector->place != place)
		return "belongs elsewhere";
	op = operation(seed, writer, sector->number);
	if (op.zeroes || place < op.first || place >= op.first + op.count ||
	    sector->number > expected->newest)
		return "has what nobody wrote";
	return sector->number < expected->flushed ? "is older than what was flushed" : NULL;
}

static int check_disk(int fd, uint64_t seed, unsigned int *good)
{
	static struct sector region[REGION];
	unsigned int bad = 0;
	const char *wrong;

	for (uint32_t writer = 0; writer < WRITERS_MAX; writer++) {
		off_t offset = (off_t)writer * sizeof(region);

		if (pread(fd, region, sizeof(region), offset) != (ssize_t)sizeof(region)) {
			printf("cannot read region %u: %s\n", writer, strerror(errno));
			return 1;
		}
		for (uint32_t place = 0; place < REGION; place++) {
			wrong = judge(&region[place], seed, writer, place);
			*good += !wrong && expectations[writer][place].flushed;
			if (wrong && bad++ < COMPLAINTS)
				printf("sector %u of writer %u %s: number %llx, flushed %llx\n",
				       place, writer, wrong,
				       (unsigned long long)region[place].number,
				       (unsigned long long)expectations[writer][place].flushed);
		}
	}
	return bad ? 1 : 0;
}

static int check(const char *disk, uint64_t seed, const char *log)
{
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	unsigned int good = 0;
	uint64_t flushes = 0;
	int status;

	if (fd < 0 || !read_log(log, seed, &flushes)) {
		printf("cannot read %s or %s: %s\n", disk, log, strerror(errno));
		return 2;
	}
	status = check_disk(fd, seed, &good);
	close(fd);
	printf("%s: %llu flushes, %u sectors as flushed or newer\n",
	       status ? "DATA LOST" : "checked", (unsigned long long)flushes, good);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "write"))
		return write_all(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
				 strtoul(argv[5], NULL, 10),
				 !strcmp(argv[6], "direct") ? O_DIRECT : 0);
	if (argc == 5 && !strcmp(argv[1], "check"))
		return check(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
	fprintf(stderr, "durable write DISK SEED RUN WRITERS direct|buffered\n"
		"durable check DISK SEED LOG\n");
	return 2;
}
