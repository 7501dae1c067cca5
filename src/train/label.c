/* label.c - labels of tasks. */
#include "train/label.h"
#include <math.h>

/* In the order of RoFormer-Sim-FT's classes, from 2 on. */
static const char *const inference[] = { "contradiction", "entailment", "neutral" };
static const float order[] = { 0, 2, 1 }; /* of them, for CoSENT */

static int inference_of(const b4c_data_record *r)
{
    for (int i = 0; r->label_is_text && i < 3; i++)
        if (b4c_span_is(r->label_text, inference[i])) return i;
    return -1;
}

/* Annotators did not agree: "-", as the inference sets write it. */
static bool is_none(const b4c_data_record *r)
{
    return r->label_is_text && (r->label_text.size == 0 || b4c_span_is(r->label_text, "-"));
}

bool b4c_label_is_inference(const b4c_data_record *r) { return inference_of(r) >= 0 || is_none(r); }

static int number(const b4c_data_record *r, const char **why)
{
    if (!r->label_is_text && isfinite(r->label)) return 1;
    *why = "wanted a number, or contradiction, entailment, neutral as label";
    return B4C_E_FORMAT;
}

static int class_of(const b4c_label_rule *rule, const b4c_data_record *r, float *label,
                    const char **why)
{
    for (size_t i = 0; i < json_array_size(rule->words); i++) {
        const char *word = json_string_value(json_array_get(rule->words, i));
        if (b4c_span_is(r->label_text, word)) {
            *label = (float)i;
            return 1;
        }
    }
    *label = (float)r->label;
    *why = rule->words ? "the label is none of the data's \"labels\""
                       : "wanted a class, 0, 1, 2 ..., as label; name others in \"labels\"";
    return !rule->words && !r->label_is_text && r->label >= 0 && r->label < 1 << 20 &&
                   r->label == floor(r->label)
             ? 1
             : B4C_E_FORMAT;
}

int b4c_label_of(const b4c_label_rule *rule, const b4c_data_record *r, float *label,
                 const char **why)
{
    const int i = inference_of(r);
    if (rule->task == B4C_TASK_CLASSIFY || rule->task == B4C_TASK_PAIRS)
        return class_of(rule, r, label, why);
    if (is_none(r)) return 0;
    const bool five = rule->task == B4C_TASK_ROFORMER_SIM_FT;
    *label = i >= 0 ? (five ? (float)(2 + i) : order[i])
           : !five  ? (float)r->label
                    : r->label > rule->threshold;
    return i >= 0 ? 1 : number(r, why);
}
