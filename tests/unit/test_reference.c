/*
 * docs/CONFIG.md and the JSON Schemas. With EDGE_UPDATE=1 in the environment
 * the page is written anew.
 */
#include "tests/lib/unit.h"

#include "config/cluster.h"
#include "config/node.h"
#include "config/profiles.h"

#include "base/blob.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE "docs/CONFIG.md"

static const char head[] =
    "# The YAML files\n"
    "\n"
    "Made from the tables that the files are read with; "
    "`EDGE_UPDATE=1 build/release/tests/unit/test_reference` writes it anew.\n"
    "\n"
    "- Durations need a unit (`ms`, `s`, `m`, `h`, `d`), sizes too (`B`, "
    "`KiB`, `MiB`, `GiB`, `TiB`): `1.5s`, `64MiB`.\n"
    "- Keys are never ignored: an unknown one, one given twice and one that "
    "this version does not support are errors. All errors of a file are "
    "shown at once, each with its line, column and a hint.\n"
    "- Anchors, aliases, tags and several documents in a file are not "
    "allowed; a file has at most 256 KiB and 16 levels.\n"
    "- Paths start at the folder of the file they are written in.\n"
    "\n";

static void print_page(FILE *out)
{
    (void)fprintf(out,
                  "%s## cluster.yaml\n\nWhat a cluster is to do; examples "
                  "are in `deploy/examples/`.\n",
                  head);
    cluster_reference(out);
    (void)fprintf(out,
                  "\n## edged.yaml\n\nSettings of one board, in `%s`. "
                  "Every key may be left out, and the file too.\n",
                  NODE_CONFIG_PATH);
    node_config_reference(out);
    (void)fprintf(out, "\n## Profiles\n\nWhat boards and links can do, for "
                       "`edgectl simulate --profiles FILE`; an example is in "
                       "`deploy/examples/`.\n");
    profiles_reference(out);
}

static char *print_to_text(void (*print)(FILE *out), size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void update_page(void)
{
    FILE *out = fopen(PAGE, "w");

    assert_non_null(out);
    print_page(out);
    assert_int_equal(fclose(out), 0);
}

static void test_the_page_is_up_to_date(void **state)
{
    struct blob *blob = NULL;
    size_t size = 0;
    char *text = print_to_text(print_page, &size);

    (void)state;
    if (getenv("EDGE_UPDATE") != NULL) {
        update_page();
    }
    assert_int_equal(blob_read(PAGE, MIB(1), &blob, NULL), 0);
    if (blob->size != size || memcmp(blob->data, text, size) != 0) {
        fail_msg("%s does not say what the tables do; EDGE_UPDATE=1 and this "
                 "test write it anew",
                 PAGE);
    }
    blob_unref(blob);
    mem_free(text);
}

/* ---- JSON Schema ---- */

static json_t *parse_schema(void (*print)(FILE *out))
{
    size_t size = 0;
    char *text = print_to_text(print, &size);
    json_error_t error;
    json_t *schema = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

    if (schema == NULL) {
        fail_msg("line %d: %s", error.line, error.text);
    }
    mem_free(text);
    return schema;
}

/* schema.properties.KEY */
static json_t *property(json_t *schema, const char *key)
{
    json_t *found = json_object_get(json_object_get(schema, "properties"), key);

    if (found == NULL) {
        fail_msg("the schema has no \"%s\"", key);
    }
    return found;
}

static void test_the_schema_has_every_key(void **state)
{
    const struct read_table *table = cluster_table();
    json_t *schema = parse_schema(cluster_schema_json);

    (void)state;
    for (size_t i = 0; i < table->n; i++) {
        assert_non_null(property(schema, table->rows[i].key));
    }
    assert_int_equal(json_object_size(json_object_get(schema, "properties")),
                     table->n);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 3);
    json_decref(schema);
}

static void test_the_schema_refuses_what_comes_later(void **state)
{
    json_t *schema = parse_schema(cluster_schema_json);
    json_t *coordinator =
        json_object_get(json_object_get(schema, "definitions"), "coordinator");

    (void)state;
    assert_non_null(json_object_get(property(coordinator, "http"), "not"));
    assert_null(json_object_get(property(schema, "goal"), "not"));
    json_decref(schema);
}

/* Every "#/definitions/NAME" in the text leads somewhere. */
static void test_the_schemas_references_resolve(void **state)
{
    static const char mark[] = "#/definitions/";
    size_t size = 0;
    char *text = print_to_text(cluster_schema_json, &size);
    json_t *schema = parse_schema(cluster_schema_json);
    json_t *definitions = json_object_get(schema, "definitions");
    size_t n = 0;

    (void)state;
    for (char *p = strstr(text, mark); p != NULL; p = strstr(p, mark)) {
        char name[64] = "";

        p += strlen(mark);
        memcpy(name, p, strcspn(p, "\""));
        assert_non_null(json_object_get(definitions, name));
        n++;
    }
    assert_true(n >= 10);
    json_decref(schema);
    mem_free(text);
}

static void test_the_schema_has_ranges_and_defaults(void **state)
{
    json_t *schema = parse_schema(node_config_schema_json);
    json_t *port = property(schema, "port");
    json_t *type = json_array_get(json_object_get(port, "anyOf"), 0);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(port, "default")),
                     7433);
    assert_int_equal(json_integer_value(json_object_get(type, "maximum")),
                     65535);
    assert_string_equal(json_string_value(json_object_get(
                            property(schema, "state"), "default")),
                        "/var/lib/edged");
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page_is_up_to_date),
        cmocka_unit_test(test_the_schema_has_every_key),
        cmocka_unit_test(test_the_schema_refuses_what_comes_later),
        cmocka_unit_test(test_the_schemas_references_resolve),
        cmocka_unit_test(test_the_schema_has_ranges_and_defaults),
    };

    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
