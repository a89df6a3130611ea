/* SPDX-License-Identifier: Apache-2.0
 * An inode number is used again at once by the next file created (ext4 does so every time), and a device number may change
 * at a reboot. So a file is named by its handle, which holds the inode's generation, and by the id of its filesystem. Where
 * the kernel has no handle to give, or one that does not last (FUSE numbers its nodes anew), the next best follows. */
#include "input/identity.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* Linux 6.5: a handle to compare, not to open: overlayfs gives only this */
#endif

const char *const identity_words[IDENTITY_N] = {"handle", "btime", "generation", "head"};

/* Filesystems to be careful with. */
static const struct {
	unsigned long magic;
	bool network, lasting_handles;
} filesystems[] = {
	{0x6969, true, true},      /* NFS */
	{0x517b, true, true},      /* SMB */
	{0xff534d42, true, true},  /* CIFS */
	{0xfe534d42, true, true},  /* SMB2 */
	{0x00c36400, true, true},  /* Ceph */
	{0x01021997, true, false}, /* 9p */
	{0x65735546, true, false}, /* FUSE: whatever stands behind it */
	{0x0bd00bd0, true, true},  /* Lustre */
	{0x01161970, true, true},  /* GFS2 */
};

struct place {
	unsigned long long fsid;
	bool network, lasting_handles;
};

static int place_of(int fd, struct place *ret)
{
	struct statfs s;
	unsigned int id[2];

	if (fstatfs(fd, &s) < 0)
		return -errno;
	static_assert(sizeof id == sizeof s.f_fsid, "an fsid is two ints");
	memcpy(id, &s.f_fsid, sizeof id);
	*ret = (struct place){.fsid = (unsigned long long)id[1] << 32 | id[0], .lasting_handles = true};
	for (size_t i = 0; i < sizeof filesystems / sizeof *filesystems; i++)
		if (filesystems[i].magic == (unsigned long)s.f_type) {
			ret->network = filesystems[i].network;
			ret->lasting_handles = filesystems[i].lasting_handles;
		}
	return 0;
}

union handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int handle_of(int fd, union handle *h)
{
	int mount;

	h->head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, "", &h->head, &mount, AT_EMPTY_PATH) == 0)
		return 0;
	h->head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, "", &h->head, &mount, AT_EMPTY_PATH | AT_HANDLE_FID) == 0)
		return 0;
	return -EOPNOTSUPP;
}

static int handle_text(int fd, const struct place *p, char *to, size_t n)
{
	union handle h;
	int used, r;

	if (!p->lasting_handles)
		return -EOPNOTSUPP;
	r = handle_of(fd, &h);
	if (r < 0)
		return r;
	used = snprintf(to, n, "handle:%016llx:%x:", p->fsid, (unsigned)h.head.handle_type);
	for (unsigned i = 0; i < h.head.handle_bytes; i++)
		used += snprintf(to + used, n - (size_t)used, "%02x", h.head.f_handle[i]);
	return 0;
}

static int generation_text(int fd, const struct place *p, unsigned long long inode, char *to, size_t n)
{
	int generation = 0;

	if (ioctl(fd, FS_IOC_GETVERSION, &generation) < 0)
		return -EOPNOTSUPP;
	snprintf(to, n, "generation:%016llx:%llu:%x", p->fsid, inode, (unsigned)generation);
	return 0;
}

static int64_t microseconds(const struct statx_timestamp *t)
{
	return (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000;
}

int identity_of_kind(int fd, enum identity_kind kind, struct identity *ret)
{
	struct identity made = {.text = ""};
	struct statx s;
	struct place p = {0};
	bool born;
	int r = place_of(fd, &p);

	if (r < 0)
		return r;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_CTIME | STATX_BTIME, &s) < 0)
		return -errno;
	born = s.stx_mask & STATX_BTIME;
	made.network = p.network;
	made.birth_us = microseconds(born ? &s.stx_btime : &s.stx_ctime);
	if (kind == IDENTITY_HANDLE)
		r = handle_text(fd, &p, made.text, sizeof made.text);
	else if (kind == IDENTITY_GENERATION)
		r = generation_text(fd, &p, s.stx_ino, made.text, sizeof made.text);
	else if (kind == IDENTITY_HEAD)
		snprintf(made.text, sizeof made.text, "head:%016llx:%llu", p.fsid, (unsigned long long)s.stx_ino);
	else if (born)
		snprintf(made.text, sizeof made.text, "btime:%016llx:%llu:%lld.%09u", p.fsid,
			(unsigned long long)s.stx_ino, (long long)s.stx_btime.tv_sec, s.stx_btime.tv_nsec);
	else
		r = -EOPNOTSUPP;
	if (r == 0)
		*ret = made;
	return r;
}

int identity_of(int fd, struct identity *ret)
{
	int r = -EOPNOTSUPP;

	for (int kind = 0; kind < IDENTITY_N && r == -EOPNOTSUPP; kind++)
		r = identity_of_kind(fd, (enum identity_kind)kind, ret);
	return r;
}

struct fingerprint fingerprint_of(const void *at, uint32_t n)
{
	return (struct fingerprint){.n = n, .hash = n ? hash_bytes(at, n, 0) : 0};
}

bool fingerprint_holds(const struct fingerprint *f, int fd, uint64_t offset)
{
	char bytes[4 * FINGERPRINT_N];

	if (f->n == 0)
		return true;
	if (f->n > sizeof bytes) /* made by a version that hashes more than this one knows */
		return false;
	if (pread(fd, bytes, f->n, (off_t)offset) != (ssize_t)f->n)
		return false;
	return hash_bytes(bytes, f->n, 0) == f->hash;
}

void identity_boot(char to[37])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, 36);

	if (fd >= 0)
		close(fd);
	to[n == 36 ? 36 : 0] = '\0';
}
