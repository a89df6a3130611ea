/* SPDX-License-Identifier: Apache-2.0
 * Every struct of a reference is a map of its fields, and a field is a line here. To add a field,
 * add a line. */
#include "model/reference_shape.h"

#include <endian.h>

#define SHAPE(name, struct_)                                                                       \
	static const struct shape name = {sizeof(struct struct_),                                  \
		sizeof name##_fields / sizeof name##_fields[0], name##_fields}
#define AT(member) offsetof(struct OF, member)

#define OF score_table
static const struct field table_fields[] = {
	{"score", FLOATS, AT(score), AT(n), 0, NULL},
	{"above", COUNTS, AT(above), AT(n), AGREES, NULL},
	{"exact", SIZE, AT(n_exact), 0, 0, NULL},
	{"total", COUNT, AT(total), 0, 0, NULL},
};
SHAPE(table, score_table);
#undef OF

#define OF reference_option
static const struct field option_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"value", REAL, AT(value), 0, 0, NULL},
};
SHAPE(option, reference_option);
#undef OF

#define OF reference_detector
static const struct field detector_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"version", TEXT, AT(plugin_version), 0, 0, NULL},
	{"options", STRUCTS, AT(options), AT(n_options), 0, &option},
	{"bytes", BYTES, AT(bytes), AT(n_bytes), 0, NULL},
	{"table", STRUCT, AT(table), 0, 0, &table},
	{"by_class", STRUCTS, AT(by_class), AT(n_by_class), 0, &table},
	{"weight", REAL, AT(weight), 0, 0, NULL},
	{"agreement", REAL, AT(agreement), 0, 0, NULL},
	{"held_out_flag_rate", REAL, AT(held_out_flag_rate), 0, 0, NULL},
	{"muted", TEXT, AT(muted), 0, 0, NULL},
	{"pseudo_auroc", REAL, AT(pseudo_auroc), 0, YOUNG, NULL},
};
SHAPE(detector, reference_detector);
#undef OF

#define OF reference_partial
static const struct field partial_fields[] = {
	{"members", WORD, AT(members), 0, 0, NULL},
	{"table", STRUCT, AT(table), 0, 0, &table},
};
SHAPE(partial, reference_partial);
#undef OF

#define OF reference_way
static const struct field way_fields[] = {
	{"weights", REALS, AT(weights), AT(n_weights), 0, NULL},
	{"offset", REAL, AT(offset), 0, 0, NULL},
};
SHAPE(way, reference_way);
#undef OF

#define OF reference_category
static const struct field category_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"words", TEXTS, AT(words), AT(n_words), 0, NULL},
};
SHAPE(category, reference_category);
#undef OF

#define OF reference_left_out
static const struct field left_out_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"why", TEXT, AT(why), 0, 0, NULL},
};
SHAPE(left_out, reference_left_out);
#undef OF

#define OF reference_window
static const struct field window_fields[] = {
	{"start_us", INTEGER, AT(start_us), 0, 0, NULL},
	{"n", INTEGER, AT(n), 0, 0, NULL},
	{"n_flagged", INTEGER, AT(n_flagged), 0, 0, NULL},
	{"v", INTEGERS, AT(v), AT(width), 0, NULL},
};
SHAPE(window, reference_window);
#undef OF

#define OF reference_row
static const struct field row_fields[] = {
	{"row", INTEGER, AT(row), 0, 0, NULL},
	{"id", TEXT, AT(id), 0, 0, NULL},
	{"prediction", TEXT, AT(prediction), 0, 0, NULL},
};
SHAPE(row, reference_row);
#undef OF

#define OF reference_odd
static const struct field odd_fields[] = {
	{"logits", STRUCT, AT(logits), 0, 0, &table},
	{"space", STRUCT, AT(space), 0, 0, &table},
	{"features", STRUCT, AT(features), 0, 0, &table},
	{"near", REAL, AT(near_), 0, 0, NULL},
	{"radius", REAL, AT(radius), 0, 0, NULL},
	{"n_held", INTEGER, AT(n_held), 0, 0, NULL},
	{"n_group", INTEGER, AT(n_group), 0, 0, NULL},
	{"classes", INTEGERS, AT(classes), AT(n_classes), 0, NULL},
};
SHAPE(odd, reference_odd);
#undef OF

#define OF measure
static const struct field measure_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"kind", KIND, AT(kind), 0, 0, NULL},
	{"first", SIZE, AT(first), 0, 0, NULL},
	{"n", SIZE, AT(n), 0, 0, NULL},
	{"edges", REALS, AT(edges), AT(n_edges), 0, NULL},
	{"words", TEXTS, AT(words), AT(n_words), 0, NULL},
	{"below", SIZE, AT(below), 0, 0, NULL},
	{"above", SIZE, AT(above), 0, 0, NULL},
	{"other", SIZE, AT(other), 0, 0, NULL},
	{"missing", SIZE, AT(missing), 0, 0, NULL},
	{"mistyped", SIZE, AT(mistyped), 0, 0, NULL},
	{"least", REAL, AT(least), 0, 0, NULL},
	{"most", REAL, AT(most), 0, 0, NULL},
	{"sums", SIZE, AT(sums), 0, 0, NULL},
	{"centre", REAL, AT(centre), 0, 0, NULL},
	{"scale", REAL, AT(scale), 0, 0, NULL},
	{"base", INTEGERS, AT(base), AT(n), AGREES, NULL},
	{"mean", REALS, AT(mean), AT(n), AGREES, NULL},
	{"kappa", REAL, AT(kappa), 0, 0, NULL},
	{"tolerance", REAL, AT(tolerance), 0, 0, NULL},
	{"n_records", REAL, AT(n_records), 0, 0, NULL},
	{"n_effective", REAL, AT(n_effective), 0, 0, NULL},
	{"n_windows", SIZE, AT(n_windows), 0, 0, NULL},
	{"memory", REAL, AT(memory), 0, 0, NULL},
	{"season_prior", REAL, AT(season_prior), 0, 0, NULL},
	{"along_kappa", REAL, AT(along.kappa), 0, YOUNG, NULL},
	{"along_memory", REAL, AT(along.memory), 0, YOUNG, NULL},
	{"along_effective", REAL, AT(along.n_effective), 0, YOUNG, NULL},
	{"slice", SIZE, AT(slice), 0, YOUNG, NULL},
	{"source", SIZE, AT(source), 0, YOUNG, NULL},
	{"judged", TRUTH, AT(judged), 0, 0, NULL},
	{"why", TEXT, AT(why), 0, 0, NULL},
};
SHAPE(measure, measure);
#undef OF

#define OF reference_layer
static const struct field layer_fields[] = {
	{"combine", FLOATS, AT(combine), AT(n_combine), 0, NULL},
	{"weights", FLOATS, AT(weights), AT(n_weights), 0, NULL},
	{"offsets", REALS, AT(offsets), AT(n_offsets), 0, NULL},
	{"variance", REAL, AT(variance), 0, 0, NULL},
	{"usual", REAL, AT(usual), 0, 0, NULL},
};
SHAPE(layer, reference_layer);
#undef OF

#define OF performance
static const struct field performance_fields[] = {
	{"width", SIZE, AT(width), 0, 0, NULL},
	{"first", SIZE, AT(first), 0, 0, NULL},
	{"basis", SIZE, AT(basis), 0, 0, NULL},
	{"score", SIZE, AT(score), 0, 0, NULL},
	{"n", REAL, AT(n), 0, 0, NULL},
	{"accuracy", REAL, AT(accuracy), 0, 0, NULL},
	{"threshold", REAL, AT(threshold), 0, 0, NULL},
	{"atc", REAL, AT(atc), 0, 0, NULL},
	{"cbpe", REAL, AT(cbpe), 0, 0, NULL},
	{"confidence", REAL, AT(confidence), 0, 0, NULL},
	{"atc_worth", REAL, AT(atc_worth), 0, 0, NULL},
	{"gap_sd", REAL, AT(gap_sd), 0, 0, NULL},
	{"edges", REALS, AT(edges), AT(n_edges), 0, NULL},
	{"calibrated", REALS, AT(calibrated), AT(n_calibrated), 0, NULL},
	{"sure", REALS, AT(sure), AT(n_sure), 0, NULL},
	{"opportunity", INTEGERS, AT(opportunity), AT(n_opportunity), YOUNG, NULL},
	{"truth", BYTES, AT(truth_bytes), AT(n_truth_bytes), 0, NULL},
};
SHAPE(performance, performance);
#undef OF

#define OF statistic_law
static const struct field statistic_law_fields[] = {
	{"windows", SIZE, AT(windows), 0, 0, NULL},
	{"ratio", REAL, AT(ratio), 0, 0, NULL},
	{"excess", REAL, AT(excess), 0, 0, NULL},
	{"mean", REAL, AT(mean), 0, 0, NULL},
	{"sd", REAL, AT(sd), 0, 0, NULL},
	{"n", SIZE, AT(n), 0, 0, NULL},
	{"memory", REAL, AT(memory), 0, 0, NULL},
};
SHAPE(statistic_law, statistic_law);
#undef OF

#define OF statistic
static const struct field statistic_fields[] = {
	{"name", TEXT, AT(name), 0, 0, NULL},
	{"version", TEXT, AT(plugin_version), 0, 0, NULL},
	{"options", STRUCTS, AT(options), AT(n_options), 0, &option},
	{"bytes", BYTES, AT(bytes), AT(n_bytes), 0, NULL},
	{"first", SIZE, AT(first), 0, 0, NULL},
	{"width", SIZE, AT(width), 0, 0, NULL},
	{"base", INTEGERS, AT(base), AT(n_base), 0, NULL},
	{"ratio", REAL, AT(one.ratio), 0, 0, NULL},
	{"excess", REAL, AT(one.excess), 0, 0, NULL},
	{"mean", REAL, AT(one.mean), 0, 0, NULL},
	{"sd", REAL, AT(one.sd), 0, 0, NULL},
	{"n_windows", SIZE, AT(one.n), 0, 0, NULL},
	{"memory", REAL, AT(one.memory), 0, 0, NULL},
	{"longer", STRUCTS, AT(longer), AT(n_longer), YOUNG, &statistic_law},
	{"judged", TRUTH, AT(judged), 0, 0, NULL},
	{"why", TEXT, AT(why), 0, 0, NULL},
};
SHAPE(statistic, statistic);
#undef OF

#define OF slice_aspect
static const struct field slice_aspect_fields[] = {
	{"measure", SIZE, AT(measure), 0, 0, NULL},
	{"at", SIZE, AT(at), 0, 0, NULL},
	{"words", TEXTS, AT(words), AT(n), 0, NULL},
	{"map", INTEGERS, AT(map), AT(n_map), 0, NULL},
	{"sums", TRUTH, AT(sums), 0, 0, NULL},
	{"output", TRUTH, AT(output), 0, 0, NULL},
};
SHAPE(slice_aspect, slice_aspect);
#undef OF

#define OF slice
static const struct field slice_fields[] = {
	{"tag", TEXT, AT(tag), 0, 0, NULL},
	{"value", TEXT, AT(value), 0, 0, NULL},
	{"other", TRUTH, AT(other), 0, 0, NULL},
};
SHAPE(slice, slice);
#undef OF

#define OF slices
static const struct field slices_fields[] = {
	{"asked", TEXTS, AT(asked), AT(n_asked), 0, NULL},
	{"tags", TEXTS, AT(tags), AT(n_tags), 0, NULL},
	{"at", STRUCTS, AT(at), AT(n), 0, &slice},
	{"aspects", STRUCTS, AT(aspects), AT(n_aspects), 0, &slice_aspect},
	{"first", SIZE, AT(first), 0, 0, NULL},
	{"width", SIZE, AT(width), 0, 0, NULL},
	{"base", INTEGERS, AT(base), AT(n_base), 0, NULL},
};
SHAPE(slices, slices);
#undef OF

#define OF reference
static const struct field reference_fields[] = {
	{"model", TEXT, AT(model), 0, 0, NULL},
	{"version", TEXT, AT(version), 0, 0, NULL},
	{"inherited_from", TEXT, AT(inherited_from), 0, YOUNG, NULL},
	{"made_by", TEXT, AT(made_by), 0, 0, NULL},
	{"made_us", INTEGER, AT(made_us), 0, 0, NULL},
	{"first_us", INTEGER, AT(first_us), 0, 0, NULL},
	{"last_us", INTEGER, AT(last_us), 0, 0, NULL},
	{"logs", TEXTS, AT(logs), AT(n_logs), 0, NULL},
	{"n_fit", INTEGER, AT(n_fit), 0, 0, NULL},
	{"n_cal_a", INTEGER, AT(n_cal_a), 0, 0, NULL},
	{"n_cal_b", INTEGER, AT(n_cal_b), 0, 0, NULL},
	{"n_null", INTEGER, AT(n_null), 0, 0, NULL},
	{"n_logits", SIZE, AT(n_logits), 0, 0, NULL},
	{"n_embedding", SIZE, AT(n_embedding), 0, 0, NULL},
	{"logits_normalised", TRUTH, AT(logits_normalised), 0, 0, NULL},
	{"classes", TEXTS, AT(classes), AT(n_classes), 0, NULL},
	{"numeric", TEXTS, AT(numeric), AT(n_numeric), 0, NULL},
	{"category", STRUCTS, AT(category), AT(n_category), 0, &category},
	{"left_out", STRUCTS, AT(left_out), AT(n_left_out), YOUNG, &left_out},
	{"detectors", STRUCTS, AT(detectors), AT(n_detectors), 0, &detector},
	{"ways", STRUCTS, AT(ways), AT(n_ways), YOUNG, &way},
	{"fused", STRUCT, AT(fused), 0, 0, &table},
	{"partial", STRUCTS, AT(partial), AT(n_partial), 0, &partial},
	{"flag_rate", REAL, AT(flag_rate), 0, 0, NULL},
	{"tails", TRUTH, AT(tails), 0, YOUNG, NULL},
	{"strict", TRUTH, AT(strict), 0, YOUNG, NULL},
	{"window_us", INTEGER, AT(window_us), 0, 0, NULL},
	{"measures", STRUCTS, AT(measures), AT(n_measures), 0, &measure},
	{"statistics", STRUCTS, AT(statistics), AT(n_statistics), YOUNG, &statistic},
	{"width", SIZE, AT(width), 0, 0, NULL},
	{"windows", STRUCTS, AT(windows), AT(n_windows), 0, &window},
	{"others", STRUCTS, AT(others), AT(n_others), 0, &window},
	{"season", SIZE, AT(season), 0, 0, NULL},
	{"season_why", TEXT, AT(season_why), 0, 0, NULL},
	{"doubt", TEXT, AT(doubt), 0, YOUNG, NULL},
	{"performance", STRUCT, AT(performance), 0, YOUNG, &performance},
	{"rows", STRUCTS, AT(rows), AT(n_rows), YOUNG, &row},
	{"slices", STRUCT, AT(slices), 0, YOUNG, &slices},
	{"odd", STRUCT, AT(odd), 0, YOUNG, &odd},
	{"layer", STRUCT, AT(layer), 0, YOUNG, &layer},
};
const struct shape reference_shape = {sizeof(struct reference),
	sizeof reference_fields / sizeof reference_fields[0], reference_fields};
#undef OF

void little_endian(const char *at, size_t n, size_t size, char *to)
{
	for (size_t i = 0; i < n; i++, at += size, to += size)
		if (size == 4) {
			uint32_t x;

			memcpy(&x, at, 4);
			x = htole32(x);
			memcpy(to, &x, 4);
		} else {
			uint64_t x;

			memcpy(&x, at, 8);
			x = htole64(x);
			memcpy(to, &x, 8);
		}
}
