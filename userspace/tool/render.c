// SPDX-License-Identifier: GPL-2.0-or-later
/* One object, two renderings: JSON as it is, or "name: value" lines for people. */
#include "tool.h"

static bool is_scalar(struct json_object *o)
{
	return !json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array);
}

static const char *scalar(struct json_object *o)
{
	return o ? json_object_get_string(o) : "-";
}

/* Objects without anything nested go on one line. */
static bool is_flat(struct json_object *o)
{
	json_object_object_foreach(o, key, value) {
		(void)key;
		if (!is_scalar(value))
			return false;
	}
	return true;
}

static void print_flat(struct json_object *o)
{
	const char *sep = "";

	json_object_object_foreach(o, key, value) {
		printf("%s%s=%s", sep, key, scalar(value));
		sep = " ";
	}
	putchar('\n');
}

static void print_array(struct json_object *a, int indent)
{
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		struct json_object *o = json_object_array_get_idx(a, i);

		printf("%*s", indent, "");
		if (is_scalar(o)) {
			puts(scalar(o));
		} else if (json_object_is_type(o, json_type_object) && is_flat(o)) {
			print_flat(o);
		} else {
			puts("-");
			render_line(o, indent + 2);
		}
	}
}

void render_line(struct json_object *o, int indent)
{
	if (json_object_is_type(o, json_type_array)) {
		print_array(o, indent);
		return;
	}
	json_object_object_foreach(o, key, value) {
		if (is_scalar(value)) {
			printf("%*s%-20s %s\n", indent, "", key, scalar(value));
		} else {
			printf("%*s%s:\n", indent, "", key);
			render_line(value, indent + 2);
		}
	}
}

void render(struct json_object *o)
{
	if (opts.json)
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_SPACED |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		render_line(o, 0);
}
