/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a plugin is running somebody's code with our rights, constructors included, so everything that can be known is
 * asked before dlopen: of the open file, not of its name, and dlopen is then given that very file. What a plugin says about
 * itself is checked after; the refusals are sentences for whoever wrote or installed it.
 */
#include "score/plugin.h"

#include <ctype.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <math.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MOST_DETECTORS 64
#define MOST_OPTIONS 64
#define LONGEST_NAME 40

/* A private group has nobody in it but the owner, as Debian makes one for every user: writable by it is no wider than by him. */
static bool group_is_private(gid_t gid, uid_t owner)
{
	struct passwd user, *found_user = NULL;
	struct group group, *found = NULL;
	char user_room[4096], group_room[4096];

	if (owner == 0 || getpwuid_r(owner, &user, user_room, sizeof user_room, &found_user) || !found_user)
		return false;
	if (getgrgid_r(gid, &group, group_room, sizeof group_room, &found) || !found)
		return false;
	return user.pw_gid == gid && strcmp(user.pw_name, group.gr_name) == 0 && !group.gr_mem[0];
}

/* NULL, or who else could have written it. */
static const char *others_can_write(const struct stat *s)
{
	if (s->st_uid != 0 && s->st_uid != geteuid())
		return "belongs to another user than root and the one this runs as";
	if (s->st_mode & S_IWOTH)
		return "can be written by everybody";
	if ((s->st_mode & S_IWGRP) && s->st_gid != 0 && !group_is_private(s->st_gid, s->st_uid))
		return "can be written by its group";
	return NULL;
}

/* The folder that holds the file must be ours alone; those above it may be sticky (/tmp), where nobody can replace what is ours. */
static int folders_check(const char *path, struct error *e)
{
	char at[PATH_MAX];
	struct stat s;

	snprintf(at, sizeof at, "%s", path);
	for (bool first = true; at[1]; first = false) {
		char *slash = strrchr(at, '/');
		slash[slash == at] = 0;
		if (stat(at, &s))
			return error_set(e, -errno, "plugin %s: folder %s: %s", path, at, strerror(errno));
		const char *who = others_can_write(&s);
		if (who && !(!first && (s.st_mode & S_ISVTX) && (s.st_uid == 0 || s.st_uid == geteuid())))
			return error_set(e, -EPERM, "plugin %s: its folder %s %s; not loaded", path, at, who);
	}
	return 0;
}

/* The folder's real path and the file's own name in it: links may lead to the folder, the file itself must not be one. */
static int path_resolve(const char *path, char to[PATH_MAX], struct error *e)
{
	char folder[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if ((size_t)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".") >= sizeof folder)
		return error_set(e, -ENAMETOOLONG, "plugin %s: path too long", path);
	if (!realpath(folder, real))
		return error_set(e, -errno, "plugin %s: %s", path, strerror(errno));
	if ((size_t)snprintf(to, PATH_MAX, "%s/%s", strcmp(real, "/") ? real : "", name) >= PATH_MAX)
		return error_set(e, -ENAMETOOLONG, "plugin %s: path too long", path);
	return 0;
}

/* The loader trusts the headers: with a file cut short it would touch pages that are not there and end us by SIGBUS. */
static int elf_check(int fd, off_t size, const char *path, struct error *e)
{
	ElfW(Ehdr) h;
	ElfW(Phdr) segment;

	if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return error_set(e, -ENOEXEC, "plugin %s: not a shared object: it does not start like an ELF file", path);
	if (h.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) || h.e_type != ET_DYN)
		return error_set(e, -ENOEXEC, "plugin %s: an ELF file, but not a shared object of this word size", path);
	if (h.e_phentsize != sizeof segment || h.e_phnum == 0)
		return error_set(e, -ENOEXEC, "plugin %s: a shared object without segments", path);
	for (unsigned i = 0; i < h.e_phnum; i++) {
		off_t at = (off_t)(h.e_phoff + i * sizeof segment);
		bool whole = at >= 0 && pread(fd, &segment, sizeof segment, at) == (ssize_t)sizeof segment &&
			(segment.p_type != PT_LOAD || (segment.p_filesz <= (size_t)size &&
				segment.p_offset <= (size_t)size - segment.p_filesz));
		if (!whole)
			return error_set(e, -ENOEXEC, "plugin %s: cut short: %lld bytes, and segment %u ends after that",
				path, (long long)size, i);
	}
	return 0;
}

/* Opens and checks the file; returns the descriptor or negative errno. */
static int file_open(const char *path, unsigned flags, struct error *e)
{
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r = 0;

	if (fd < 0 && errno == ELOOP)
		return error_set(e, -EPERM, "plugin %s: a symbolic link; the file itself must be there; not loaded", path);
	if (fd < 0)
		return error_set(e, -errno, "plugin %s: %s", path, strerror(errno));
	if (fstat(fd, &s) || !S_ISREG(s.st_mode))
		r = error_set(e, -ENOEXEC, "plugin %s: not a plain file", path);
	const char *who = r || (flags & PLUGIN_ANY_OWNER) ? NULL : others_can_write(&s);
	if (who)
		r = error_set(e, -EPERM, "plugin %s: %s; not loaded", path, who);
	if (!r && !(flags & PLUGIN_ANY_OWNER))
		r = folders_check(path, e);
	if (!r)
		r = elf_check(fd, s.st_size, path, e);
	if (r)
		close(fd);
	return r ? r : fd;
}

/* dlopen by descriptor, so that what was checked is what runs. The loader knows a library by this name from then on, and would
 * take another file under the same number for it: so the descriptor stays open, as the library stays mapped. */
static int file_map(int fd, const char *path, const struct oodd_plugin **ret, struct error *e)
{
	char name[64];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle) {
		const char *why = dlerror();
		const char *after = why && strncmp(why, name, strlen(name)) == 0 ? why + strlen(name) : NULL;
		close(fd);
		return error_set(e, -ENOEXEC, "plugin %s: %s", path, after && strlen(after) > 2 ? after + 2 : why);
	}
	*ret = dlsym(handle, "oodd_plugin");
	if (!*ret)
		return error_set(e, -EPROTO, "plugin %s: exports no oodd_plugin: not a plugin of oodd", path);
	return 0;
}

static bool name_is_good(const char *name, const char *more)
{
	if (!name || !islower((unsigned char)name[0]) || strlen(name) > LONGEST_NAME)
		return false;
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr(more, *c))
			return false;
	return true;
}

static size_t words_count(const char *words)
{
	size_t n = words && *words ? 1 : 0;

	for (; n && *words; words++)
		n += *words == ' ';
	return n;
}

/* NULL, or what is wrong with the option. */
static const char *option_fault(const struct oodd_option *o)
{
	if (!name_is_good(o->name, "_"))
		return "its name is not made of lower case letters, digits and _";
	if (!o->help || !*o->help)
		return "it has no help";
	switch (o->type) {
	case OODD_OPTION_BOOL:
		return o->standard == 0 || o->standard == 1 ? NULL : "its default is neither 0 nor 1";
	case OODD_OPTION_CHOICE:
		return o->standard >= 0 && o->standard < (double)words_count(o->choices) ? NULL : "its default is not one of its choices";
	case OODD_OPTION_INT:
	case OODD_OPTION_REAL:
		return o->least <= o->standard && o->standard <= o->most ? NULL : "its default is out of its own range";
	default:
		return "its type is unknown";
	}
}

static int options_check(const char *path, const struct oodd_detector *d, struct error *e)
{
	for (size_t i = 0; d->options && d->options[i].name; i++) {
		const char *fault = i < MOST_OPTIONS ? option_fault(&d->options[i]) : "there are too many, or the table does not end";
		for (size_t j = 0; !fault && j < i; j++)
			if (strcmp(d->options[i].name, d->options[j].name) == 0)
				fault = "it stands there twice";
		if (fault)
			return error_set(e, -EINVAL, "plugin %s: detector %s: option %zu (%.40s): %s", path, d->name, i + 1,
				d->options[i].name, fault);
	}
	return 0;
}

static int detector_check(const char *path, const struct oodd_detector *d, struct error *e)
{
	if (!name_is_good(d->name, "_-"))
		return error_set(e, -EINVAL, "plugin %s: a detector's name, \"%.60s\", is not made of lower case letters, digits, _ and -",
			path, d->name ? d->name : "");
	if (!d->score && !d->accumulate)
		return error_set(e, -EINVAL, "plugin %s: detector %s has no score function", path, d->name);
	if (!!d->accumulate != !!d->compare || !!d->accumulate != !!d->width)
		return error_set(e, -EINVAL, "plugin %s: detector %s has some of width, accumulate and compare, and not all", path, d->name);
	if (!d->version || !*d->version || !d->summary || !*d->summary)
		return error_set(e, -EINVAL, "plugin %s: detector %s has no version or no summary", path, d->name);
	if (d->fit && !d->open)
		return error_set(e, -EINVAL, "plugin %s: detector %s fits, but has no open to read what it learned", path, d->name);
	return options_check(path, d, e);
}

static int door_check(const char *path, const struct oodd_plugin *door, struct error *e)
{
	if (door->abi != OODD_ABI)
		return error_set(e, -EPROTO, "plugin %s: compiled for ABI %u of oodd, this is ABI %u: it must be recompiled", path,
			door->abi, OODD_ABI);
	/* Version 1 ended with explain; whoever declares less forgot to set it. */
	if (door->size < offsetof(struct oodd_detector, explain) + sizeof(void *))
		return error_set(e, -EPROTO, "plugin %s: says its detectors take %u bytes: too small for ABI %u", path, door->size, OODD_ABI);
	if (door->n_detectors == 0 || door->n_detectors > MOST_DETECTORS || !door->detectors)
		return error_set(e, -EINVAL, "plugin %s: names %u detectors, expected 1 to %d", path, door->n_detectors, MOST_DETECTORS);
	if (!door->licence || !*door->licence)
		return error_set(e, -EINVAL, "plugin %s: names no licence", path);
	return 0;
}

static int door_read(struct plugin *p, const struct oodd_plugin *door, struct error *e)
{
	int r = door_check(p->path, door, e);

	if (r)
		return r;
	size_t known = door->size < sizeof *p->detectors ? door->size : sizeof *p->detectors;
	p->licence = door->licence;
	p->detectors = mem_zero(door->n_detectors, sizeof *p->detectors);
	for (uint32_t i = 0; !r && i < door->n_detectors; i++) {
		if (!door->detectors[i])
			return error_set(e, -EINVAL, "plugin %s: detector %u is NULL", p->path, i + 1);
		memcpy(&p->detectors[i], door->detectors[i], known);
		p->n_detectors = i + 1;
		r = detector_check(p->path, &p->detectors[i], e);
		for (uint32_t j = 0; !r && j < i; j++)
			if (strcmp(p->detectors[i].name, p->detectors[j].name) == 0)
				r = error_set(e, -EINVAL, "plugin %s: names detector %s twice", p->path, p->detectors[j].name);
	}
	return r;
}

int plugin_load(const char *path, unsigned flags, struct plugin **ret, struct error *e)
{
	const struct oodd_plugin *door = NULL;
	char real[PATH_MAX];
	int r = path_resolve(path, real, e);
	int fd = r ? r : file_open(real, flags, e);

	r = fd < 0 ? fd : file_map(fd, real, &door, e);
	if (r)
		return r;
	struct plugin *p = mem_zero(1, sizeof *p);
	p->path = mem_copy_text(real);
	r = door_read(p, door, e);
	if (r)
		plugin_close(p);
	else
		*ret = p;
	return r;
}

void plugin_close(struct plugin *p)
{
	if (!p)
		return;
	free(p->path);
	free(p->detectors);
	free(p);
}
