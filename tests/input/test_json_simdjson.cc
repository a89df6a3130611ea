/* SPDX-License-Identifier: Apache-2.0
 * Our reader against simdjson's document parser, on every way through: the same values accepted, bit-equal doubles, and vectors
 * that are those doubles as floats. Known differences: -0 is an integer without a sign to simdjson; bare NaN and Infinity, and numbers beyond a double or 64 bits, are numbers
 * to us and errors to simdjson. */
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <simdjson.h>
#include <string>

extern "C" {
#include "tests/input/json_walk.h"
}

using simdjson::dom::element;
using simdjson::dom::element_type;

static std::mt19937_64 dice(20261121);

static size_t below(size_t n)
{
	return dice() % n;
}

static void put(std::string &to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(std::string &to, const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	to += text;
}

static void put_number(std::string &to, double x)
{
	unsigned long long bits;

	memcpy(&bits, &x, sizeof bits);
	put(to, "d%016llx ", bits);
}

static void put_text(std::string &to, std::string_view text)
{
	to += "s";
	for (unsigned char c : text)
		put(to, "%02x", c);
	to += " ";
}

static void walk(element e, std::string &to)
{
	switch (e.type()) {
	case element_type::OBJECT:
		to += "{ ";
		for (auto field : simdjson::dom::object(e)) {
			put_text(to, field.key);
			walk(field.value, to);
		}
		to += "} ";
		break;
	case element_type::ARRAY:
		to += "[ ";
		for (element x : simdjson::dom::array(e))
			walk(x, to);
		to += "] ";
		break;
	case element_type::STRING:
		put_text(to, std::string_view(e));
		break;
	case element_type::BOOL:
		to += bool(e) ? "true " : "false ";
		break;
	case element_type::NULL_VALUE:
		to += "null ";
		break;
	default:
		put_number(to, double(e));
	}
}

static void fail(const char *why, const std::string &line, const std::string &theirs, const struct buf *ours)
{
	fprintf(stderr, "%s\n%s\nsimdjson: %s\nours:     %.*s\n", why, line.c_str(), theirs.c_str(), int(ours->n), ours->at ? ours->at : "");
	exit(1);
}

static std::string signless(std::string list)
{
	static const std::string zero = "d8000000000000000 ";

	for (size_t at = 0; (at = list.find(zero, at)) != list.npos;)
		list[at + 1] = '0';
	return list;
}

/* Are all elements finite as floats, and which? */
static bool floats(element e, std::string &to)
{
	bool finite = true;

	for (element x : simdjson::dom::array(e)) {
		float f = x.is_number() ? float(double(x)) : NAN;

		finite = finite && std::isfinite(f);
		put_number(to, double(f));
	}
	return finite;
}

static void floats_compare(const std::string &line, element e)
{
	struct buf ours {};
	std::string theirs;
	bool fine = floats(e, theirs);

	if (json_walk_floats(line.data(), line.size(), &ours) != fine)
		fail("vector", line, fine ? "fine" : "not finite", &ours);
	if (fine && signless(std::string(ours.at ? ours.at : "", ours.n)) != signless(theirs))
		fail("floats differ", line, theirs, &ours);
	buf_done(&ours);
}

/* Holds it a number that simdjson cannot: an infinite one, or an integer of more than 64 bits? */
static bool beyond(const std::string &line, const std::string &ours)
{
	size_t digits = 0;

	for (char c : line) {
		digits = c >= '0' && c <= '9' ? digits + 1 : 0;
		if (digits > 18)
			return true;
	}
	return ours.find("d7ff0000000000000") != ours.npos || ours.find("dfff0000000000000") != ours.npos;
}

/* 1: both accepted it. */
static size_t compare(const std::string &line)
{
	static simdjson::dom::parser parser;
	struct buf ours {};
	std::string theirs;
	enum json_wrong wrong = json_walk(line.data(), line.size(), &ours);
	element e;
	auto error = parser.parse(line).get(e);

	bool known = error == simdjson::NUMBER_ERROR && beyond(line, std::string(ours.at ? ours.at : "", ours.n));

	if (known || line.find("NaN") != line.npos || line.find("Infinity") != line.npos) {
		buf_done(&ours);
		return 0;
	}
	if ((wrong == JSON_FINE) != !error)
		fail("accepted by one only", line, simdjson::error_message(error), &ours);
	if (!error) {
		walk(e, theirs);
		if (signless(std::string(ours.at, ours.n)) != signless(theirs))
			fail("they differ", line, theirs, &ours);
		if (e.is_array())
			floats_compare(line, e);
	}
	buf_done(&ours);
	return !error;
}

/* ---- lines ---- */

static void number(std::string &to)
{
	std::normal_distribution<double> normal;
	uint64_t bits = dice();
	double x;

	memcpy(&x, &bits, sizeof x);
	switch (below(7)) {
	case 0:
		put(to, "%.*g", int(1 + below(20)), std::isfinite(x) ? x : 1.0);
		break;
	case 1:
		put(to, "%.*f", int(below(20)), normal(dice) * std::pow(10, double(below(8)) - 3));
		break;
	case 2:
		put(to, "%lld", (long long)(bits >> below(64)) * (below(2) ? 1 : -1));
		break;
	case 3:
		put(to, "%.17g", normal(dice));
		break;
	case 4:
		put(to, "%llue%d", (unsigned long long)(bits >> below(64)), int(below(330)) - 345);
		break;
	case 5: /* half-way between two doubles, and just beside */
		put(to, "%llu%s", (unsigned long long)((UINT64_C(1) << 53) + (bits >> 12 | 1)), below(2) ? ".0" : below(2) ? ".0000000000001" : "");
		break;
	default:
		put(to, "%.9f", normal(dice) * 0.3);
	}
}

static void vector(std::string &to)
{
	const char *comma = below(2) ? "," : below(2) ? ", " : " ,\t";
	size_t n = below(40);

	to += "[";
	for (size_t i = 0; i < n; i++) {
		to += i ? comma : "";
		number(to);
	}
	to += "]";
}

static void text(std::string &to)
{
	static const char *const pieces[] = {"a", "hello ", "é", "日本", "😀", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\\\", "\\\"", "\\/", "0123456789abcdef0123456789"};

	to += "\"";
	for (size_t i = below(8); i > 0; i--)
		to += pieces[below(sizeof pieces / sizeof *pieces)];
	to += "\"";
}

static void value(std::string &to, int depth)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t n = below(5);

	switch (below(depth > 5 ? 4 : 7)) {
	case 0:
		return number(to);
	case 1:
		to += words[below(3)];
		return;
	case 2:
		return text(to);
	case 3:
	case 4:
		return vector(to);
	case 5:
		to += "[";
		for (size_t i = 0; i < n; i++) {
			to += i ? "," : "";
			value(to, depth + 1);
		}
		to += "]";
		return;
	default:
		to += "{ ";
		for (size_t i = 0; i < n; i++) {
			to += i ? ", " : "";
			text(to);
			to += below(2) ? ":" : " : ";
			value(to, depth + 1);
		}
		to += "}";
	}
}

static void break_line(std::string &line)
{
	static const std::string pieces[] = {"", "", ",", "]", "}", "\"", "\\", "\\u12", "\\ud83d", "\\ude00", "0", "-", "+", ".", "e", "E5", " ", "\t",
		"\r", std::string(1, '\0'), "\x1f", "\x7f", "\xc3\xa9", "\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "[", "{", ":", "null", "truex"};

	for (size_t i = 1 + below(3); i > 0; i--)
		line.replace(below(line.size() + 1), below(3), pieces[below(sizeof pieces / sizeof *pieces)]);
}

static void run(enum json_path path, size_t n)
{
	size_t fine = 0, broken_fine = 0;

	for (size_t i = 0; i < n; i++) {
		std::string line;

		value(line, 0);
		fine += compare(line);
		break_line(line);
		broken_fine += compare(line);
		line.clear();
		vector(line);
		compare(line);
	}
	printf("%s: %zu lines, %zu fine; broken: %zu fine\n", json_path_words[path], n, fine, broken_fine);
	if (fine < n / 2 || broken_fine < n / 20)
		exit(1);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? size_t(atol(argv[1])) : 10000;

	json_begin();
	for (int path = 0; path < JSON_PATH_N; path++)
		if (json_path_set(json_path(path)))
			run(json_path(path), n);
	return 0;
}
