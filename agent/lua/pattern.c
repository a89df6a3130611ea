/* SPDX-License-Identifier: Apache-2.0
 * A pattern is a row of items: a class of characters with an optional repeat, a capture's
 * parenthesis, %b, %f or a back-reference. `follow` walks the row and recurses only where it may
 * have to come back: into captures and repeats. */
#include "lua/pattern.h"

#include <ctype.h>
#include <string.h>

static const char *follow(struct matcher *m, const char *at, const char *p);

static const char *give_up(struct matcher *m, const char *why)
{
	if (!m->wrong)
		m->wrong = why;
	return NULL;
}

static bool afford(struct matcher *m, size_t steps)
{
	if (m->wrong || m->stopped)
		return false;
	if (m->afford(m->context, steps))
		return true;
	m->stopped = true;
	return false;
}

/* The end of a [set] whose '[' stands at p. */
static const char *set_end(struct matcher *m, const char *p)
{
	p++;
	if (p < m->pattern_end && *p == '^')
		p++;
	do { /* a ']' at once stands for itself */
		if (p >= m->pattern_end)
			return give_up(m, "malformed pattern (missing ']')");
		if (*p++ == '%')
			p++;
	} while (p >= m->pattern_end || *p != ']');
	return p + 1;
}

/* The end of the single-character class at p. */
static const char *class_end(struct matcher *m, const char *p)
{
	if (*p == '[')
		return set_end(m, p);
	if (*p != '%')
		return p + 1;
	if (p + 1 >= m->pattern_end)
		return give_up(m, "malformed pattern (ends with '%')");
	return p + 2;
}

static bool in_class(unsigned char c, unsigned char class)
{
	bool is;

	switch (tolower(class)) {
	case 'a':
		is = isalpha(c);
		break;
	case 'c':
		is = iscntrl(c);
		break;
	case 'd':
		is = isdigit(c);
		break;
	case 'g':
		is = isgraph(c);
		break;
	case 'l':
		is = islower(c);
		break;
	case 'p':
		is = ispunct(c);
		break;
	case 's':
		is = isspace(c);
		break;
	case 'u':
		is = isupper(c);
		break;
	case 'w':
		is = isalnum(c);
		break;
	case 'x':
		is = isxdigit(c);
		break;
	default:
		return class == c;
	}
	return isupper(class) ? !is : is;
}

/* Is c in the set p .. end, where end is one past its ']'? */
static bool in_set(unsigned char c, const char *p, const char *end)
{
	bool found = true;

	end--;
	if (*++p == '^') {
		found = false;
		p++;
	}
	while (p < end) {
		if (*p == '%' && p + 1 < end) {
			if (in_class(c, (unsigned char)p[1]))
				return found;
			p += 2;
		} else if (p + 2 < end && p[1] == '-') {
			if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
				return found;
			p += 3;
		} else if ((unsigned char)*p++ == c) {
			return found;
		}
	}
	return !found;
}

/* Does the character at `at` fit the class p .. end? */
static bool fits(struct matcher *m, const char *at, const char *p, const char *end)
{
	unsigned char c;

	if (at >= m->text_end || !afford(m, (size_t)(end - p)))
		return false;
	c = (unsigned char)*at;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(c, p, end);
	default:
		return (unsigned char)*p == c;
	}
}

/* As many as there are, then fewer. */
static const char *repeat_most(struct matcher *m, const char *at, const char *p, const char *end)
{
	ptrdiff_t n = 0;

	while (fits(m, at + n, p, end))
		n++;
	for (; n >= 0 && afford(m, 1); n--) {
		const char *matched = follow(m, at + n, end + 1);

		if (matched)
			return matched;
	}
	return NULL;
}

/* As few as will do. */
static const char *repeat_least(struct matcher *m, const char *at, const char *p, const char *end)
{
	while (afford(m, 1)) {
		const char *matched = follow(m, at, end + 1);

		if (matched)
			return matched;
		if (!fits(m, at, p, end))
			return NULL;
		at++;
	}
	return NULL;
}

static const char *capture_start(struct matcher *m, const char *at, const char *p, ptrdiff_t kind)
{
	const char *matched;

	if (m->n_captures >= PATTERN_CAPTURES)
		return give_up(m, "too many captures");
	m->captures[m->n_captures++] = (struct capture){at, kind};
	matched = follow(m, at, p);
	if (!matched)
		m->n_captures--;
	return matched;
}

static const char *capture_stop(struct matcher *m, const char *at, const char *p)
{
	const char *matched;
	int i = m->n_captures - 1;

	while (i >= 0 && m->captures[i].n != CAPTURE_OPEN)
		i--;
	if (i < 0)
		return give_up(m, "invalid pattern capture");
	m->captures[i].n = at - m->captures[i].at;
	matched = follow(m, at, p);
	if (!matched)
		m->captures[i].n = CAPTURE_OPEN;
	return matched;
}

/* %bxy: from an x to the y that balances it. p stands behind the b. */
static const char *balanced(struct matcher *m, const char *at, const char *p)
{
	size_t depth = 1;

	if (m->pattern_end - p < 2)
		return give_up(m, "malformed pattern (missing arguments to '%b')");
	if (at >= m->text_end || *at != p[0])
		return NULL;
	while (++at < m->text_end && afford(m, 1)) {
		if (*at == p[1]) {
			if (--depth == 0)
				return at + 1;
		} else if (*at == p[0]) {
			depth++;
		}
	}
	return NULL;
}

/* %f[set]: here the set begins to hold. p stands at the [. */
static bool frontier(struct matcher *m, const char *at, const char *p, const char *end)
{
	unsigned char before = at > m->text ? (unsigned char)at[-1] : '\0';
	unsigned char here = at < m->text_end ? (unsigned char)*at : '\0';

	return afford(m, (size_t)(end - p)) && !in_set(before, p, end) && in_set(here, p, end);
}

/* %1 .. %9: what that capture held, once more. */
static const char *captured_again(struct matcher *m, const char *at, char digit)
{
	int i = digit - '1';
	size_t n;

	if (i < 0 || i >= m->n_captures || m->captures[i].n == CAPTURE_OPEN)
		return give_up(m, "invalid capture index");
	if (m->captures[i].n == CAPTURE_POSITION)
		return NULL; /* as Lua has it */
	n = (size_t)m->captures[i].n;
	if ((size_t)(m->text_end - at) < n || !afford(m, 1 + n / 8) ||
		memcmp(m->captures[i].at, at, n) != 0)
		return NULL;
	return at + n;
}

/* A class with its repeat, if any. Returns true when the walk goes on with *at and *p moved, else
 * *ret is the answer. */
static bool single(struct matcher *m, const char **at, const char **p, const char **ret)
{
	const char *end = class_end(m, *p);
	char repeat = end && end < m->pattern_end ? *end : '\0';

	*ret = NULL;
	if (!end)
		return false;
	switch (repeat) {
	case '*':
		*ret = repeat_most(m, *at, *p, end);
		return false;
	case '+':
		*ret = fits(m, *at, *p, end) ? repeat_most(m, *at + 1, *p, end) : NULL;
		return false;
	case '-':
		*ret = repeat_least(m, *at, *p, end);
		return false;
	case '?':
		if (fits(m, *at, *p, end) && (*ret = follow(m, *at + 1, end + 1)))
			return false;
		*p = end + 1;
		return true;
	default:
		if (!fits(m, *at, *p, end))
			return false;
		(*at)++;
		*p = end;
		return true;
	}
}

/* %b, %f and back-references: true when it was one; then *at is where the walk goes on, or NULL. */
static bool special(struct matcher *m, const char **at, const char **p)
{
	const char *item = *p + 1, *end;

	if (item >= m->pattern_end)
		return false;
	if (*item == 'b') {
		*at = balanced(m, *at, item + 1);
		*p = item + 3;
	} else if (*item == 'f') {
		if (item + 1 >= m->pattern_end || item[1] != '[') {
			*at = give_up(m, "missing '[' after '%f' in pattern");
			return true;
		}
		end = class_end(m, item + 1);
		*at = end && frontier(m, *at, item + 1, end) ? *at : NULL;
		*p = end;
	} else if (isdigit((unsigned char)*item)) {
		*at = captured_again(m, *at, *item);
		*p = item + 1;
	} else {
		return false;
	}
	return true;
}

static const char *walk(struct matcher *m, const char *at, const char *p)
{
	const char *matched;

	while (p < m->pattern_end) {
		if (!afford(m, 1))
			return NULL;
		if (*p == '(') {
			if (p + 1 < m->pattern_end && p[1] == ')')
				return capture_start(m, at, p + 2, CAPTURE_POSITION);
			return capture_start(m, at, p + 1, CAPTURE_OPEN);
		}
		if (*p == ')')
			return capture_stop(m, at, p + 1);
		if (*p == '$' && p + 1 == m->pattern_end)
			return at == m->text_end ? at : NULL;
		if (*p == '%' && special(m, &at, &p)) {
			if (!at)
				return NULL;
		} else if (!single(m, &at, &p, &matched)) {
			return matched;
		}
	}
	return at;
}

static const char *follow(struct matcher *m, const char *at, const char *p)
{
	const char *matched;

	if (m->depth >= PATTERN_DEPTH)
		return give_up(m, "pattern too complex");
	m->depth++;
	matched = walk(m, at, p);
	m->depth--;
	return matched;
}

void matcher_init(
	struct matcher *m, const char *text, size_t n_text, const char *pattern, size_t n_pattern)
{
	*m = (struct matcher){.text = text,
		.text_end = text + n_text,
		.pattern = pattern,
		.pattern_end = pattern + n_pattern};
}

const char *matcher_run(struct matcher *m, const char *at)
{
	m->n_captures = 0;
	m->depth = 0;
	return follow(m, at, m->pattern);
}
