/* SPDX-License-Identifier: Apache-2.0
 * The peer of bench_decode: simdjson's On-Demand interface, fields in the order in which they stand. */
#include "tests/bench/bench_decode.h"

#include <cstring>
#include <simdjson.h>

using namespace simdjson;

static float vector_to[8192];
static double features_to[64];

template <class V> static size_t floats(V value)
{
	size_t n = 0;

	for (auto x : value.get_array())
		vector_to[n++] = static_cast<float>(double(x.get_double()));
	return n;
}

template <class D> static double record(D &doc)
{
	ondemand::object object = doc.get_object();
	std::string_view ts = object.find_field("ts").get_string();
	std::string_view id = object.find_field("id").get_string();
	std::string_view model = object.find_field("model").get_string();
	std::string_view version = object.find_field("version").get_string();
	size_t n = 0, keys = 0;
	double sum = 0;

	for (auto field : object.find_field("features").get_object()) {
		std::string_view key = field.unescaped_key();
		keys += key.size();
		features_to[n++] = field.value().get_double();
	}
	sum += features_to[0] + double(ts.size() + id.size() + model.size() + version.size() + keys);
	n = floats(object.find_field("embedding"));
	sum += vector_to[0] + vector_to[n - 1];
	n = floats(object.find_field("logits"));
	sum += vector_to[0] + vector_to[n - 1];
	std::string_view prediction = object.find_field("prediction").get_string();
	double confidence = object.find_field("confidence").get_double();
	return sum + confidence + double(prediction.size());
}

extern "C" size_t simdjson_lines(const char *at, size_t n, double *sum)
{
	static ondemand::parser parser;
	const char *end = at + n;
	size_t records = 0;

	while (at < end) {
		const char *newline = static_cast<const char *>(memchr(at, '\n', static_cast<size_t>(end - at)));
		size_t length = static_cast<size_t>(newline - at);
		auto doc = parser.iterate(at, length, length + SIMDJSON_PADDING).value();

		*sum += record(doc);
		records++;
		at = newline + 1;
	}
	return records;
}

extern "C" size_t simdjson_many(const char *at, size_t n, double *sum)
{
	static ondemand::parser parser;
	size_t records = 0;

	auto docs = parser.iterate_many(at, n, 1 << 20).value();
	for (auto doc : docs) {
		ondemand::document_reference d = doc.value();

		*sum += record(d);
		records++;
	}
	return records;
}

extern "C" const char *simdjson_name(void)
{
	static const std::string name = std::string("simdjson ") + SIMDJSON_STRINGIFY(SIMDJSON_VERSION) + " " + get_active_implementation()->name();

	return name.c_str();
}
