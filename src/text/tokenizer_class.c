/* tokenizer_class.c - what a tokenizer's class means, for files that do not say all.
 *
 * A SentencePiece model and vocab.json with merges.txt hold tokens. Which stand around a text, by
 * which pattern it is cut, and how ids are counted is the code of the hub's class, named in
 * tokenizer_config.json. A tokenizer.json says all that itself.
 */
#include <string.h>

#include "base/error.h"
#include "text/settings.h"

typedef struct class {
    const char *name;        /* without "Fast" */
    const char *model_type;  /* of config.json, where no class is named */
    b4c_around around;
    bool pieces;             /* from a SentencePiece model; else vocab.json */
    b4c_piece_order order;
    b4c_split split;
    bool compose;            /* NFC first */
    bool front_blank;        /* by default */
} class;

#define PIECES .pieces = true, .around
static const class classes[] = {
    { .name = "T5Tokenizer", .model_type = "t5", PIECES = B4C_AROUND_END },
    { .name = "T5Tokenizer", .model_type = "mt5", PIECES = B4C_AROUND_END },
    { .name = "T5Tokenizer", .model_type = "umt5", PIECES = B4C_AROUND_END },
    { .name = "MT5Tokenizer", PIECES = B4C_AROUND_END },
    { .name = "LlamaTokenizer", .model_type = "llama", PIECES = B4C_AROUND_BOS },
    { .name = "LlamaTokenizer", .model_type = "mistral", PIECES = B4C_AROUND_BOS },
    { .name = "CodeLlamaTokenizer", PIECES = B4C_AROUND_BOS },
    { .name = "GemmaTokenizer", .model_type = "gemma", PIECES = B4C_AROUND_BOS },
    { .name = "PegasusTokenizer", .model_type = "pegasus", PIECES = B4C_AROUND_ONE_END,
      .order = B4C_ORDER_PEGASUS },
    { .name = "XLMRobertaTokenizer", .model_type = "xlm-roberta", PIECES = B4C_AROUND_ROBERTA,
      .order = B4C_ORDER_FAIRSEQ },
    { .name = "GPT2Tokenizer", .model_type = "gpt2", .around = B4C_AROUND_BOS },
    { .name = "Qwen2Tokenizer", .model_type = "qwen2", .around = B4C_AROUND_NOTHING,
      .split = B4C_SPLIT_QWEN2, .compose = true },
    { .name = "RobertaTokenizer", .model_type = "roberta", .around = B4C_AROUND_ROBERTA },
    { .name = "BartTokenizer", .model_type = "bart", .around = B4C_AROUND_ROBERTA },
    { .name = "LongformerTokenizer", .model_type = "longformer", .around = B4C_AROUND_ROBERTA },
    { .name = "LEDTokenizer", .model_type = "led", .around = B4C_AROUND_ROBERTA },
    { .name = "BlenderbotTokenizer", .model_type = "blenderbot", .around = B4C_AROUND_END,
      .front_blank = true },
};

/* Classes over such files that do more than the table can say. */
static const char *const refused[] = {
    "Albert", "XLNet", "Camembert", "MBart", "Nllb", "M2M100", "Barthez", "Cpm", "DebertaV2",
    "BigBird", "RemBert", "Marian", "Reformer", "FNet", "XGLM", "CLIP", "OpenAIGPT", "CTRL", "FSMT",
    "XLMTokenizer", "XLMProphetNet", "Flaubert", "Herbert", "Phobert", "Bertweet", "Deberta",
    "Whisper", "Speech2Text", "SeamlessM4T", "ErnieM", "LayoutXLM", "PLBart", "Luke", "MLuke",
};

static bool same_class(const char *name, const char *wanted)
{
    const size_t n = strlen(wanted);
    return strncmp(name, wanted, n) == 0 && (!name[n] || strcmp(name + n, "Fast") == 0);
}

/* The class that is named, or that the model's type has; NULL: none is known. */
static const class *find_class(const b4c_settings *s, const char *type, bool pieces)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        const class *c = &classes[i];
        if (c->pieces != pieces) continue;
        if (s->class ? same_class(s->class, c->name)
                     : type && c->model_type && strcmp(type, c->model_type) == 0)
            return c;
    }
    return NULL;
}

static const char *model_type(const b4c_settings *s)
{
    return json_string_value(json_object_get(s->root[B4C_SOURCE_MODEL], "model_type"));
}

/* The names that the class gives to tokens with a duty, where the files do not. */
static void name_duties(b4c_settings *s, const class *c)
{
    static const char *const usual[B4C_DUTIES] = {
        [B4C_DUTY_UNKNOWN] = "<unk>", [B4C_DUTY_PAD] = "<pad>", [B4C_DUTY_EOS] = "</s>",
        [B4C_DUTY_BOS] = "<s>",
    };
    static const char *const gemma[B4C_DUTIES] = {
        [B4C_DUTY_UNKNOWN] = "<unk>", [B4C_DUTY_PAD] = "<pad>", [B4C_DUTY_EOS] = "<eos>",
        [B4C_DUTY_BOS] = "<bos>",
    };
    static const char *const roberta[B4C_DUTIES] = {
        [B4C_DUTY_UNKNOWN] = "<unk>", [B4C_DUTY_PAD] = "<pad>", [B4C_DUTY_EOS] = "</s>",
        [B4C_DUTY_BOS] = "<s>", [B4C_DUTY_CLS] = "<s>", [B4C_DUTY_SEP] = "</s>",
        [B4C_DUTY_MASK] = "<mask>",
    };
    static const char *const gpt2[B4C_DUTIES] = {
        [B4C_DUTY_BOS] = "<|endoftext|>", [B4C_DUTY_EOS] = "<|endoftext|>",
    };
    const char *const *names = c->around == B4C_AROUND_ROBERTA      ? roberta
                               : !strncmp(c->name, "Gemma", 5)       ? gemma
                               : c->pieces || c->front_blank         ? usual
                                                                     : gpt2;
    const bool no_bos = c->around == B4C_AROUND_END || c->around == B4C_AROUND_ONE_END ||
                        c->around == B4C_AROUND_NOTHING;
    for (int i = 0; i < B4C_DUTIES; i++)
        if (!s->duty[i] && !(i == B4C_DUTY_BOS && no_bos)) s->duty[i] = names[i];
    if (c->order == B4C_ORDER_PEGASUS && !s->duty[B4C_DUTY_MASK])
        s->duty[B4C_DUTY_MASK] = "<mask_2>";
}

int b4c_settings_class(b4c_settings *s, b4c_error *err)
{
    const bool pieces = s->source[B4C_SOURCE_PIECES].text != NULL;
    const char *type = model_type(s);
    for (size_t i = 0; s->class && i < sizeof refused / sizeof *refused; i++)
        if (strncmp(s->class, refused[i], strlen(refused[i])) == 0)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: tokenizer_class is '%.60s', which does more than this file says; "
                            "wanted its tokenizer.json",
                            s->name, s->class);
    const class *c = find_class(s, type, pieces);
    if (!c) {
        b4c_buffer_print(&s->notes,
                         "%s: tokenizer_class '%.60s' is not known: nothing is put around a text "
                         "but what add_bos_token and add_eos_token ask for\n",
                         s->name, s->class ? s->class : "(none)");
        s->around = B4C_AROUND_BOS;
        if (s->add_bos < 0) s->add_bos = 0;
        return 0;
    }
    s->around = c->around;
    s->order = c->order;
    s->split = c->split;
    if (s->front_blank < 0 && !pieces) s->front_blank = c->front_blank;
    if (s->add_bos < 0) s->add_bos = c->pieces; /* LLaMA by default, GPT-2 not */
    if (s->add_eos < 0) s->add_eos = 0;
    if (s->extra_ids < 0) /* mT5 has them among its pieces */
        s->extra_ids = !strcmp(c->name, "T5Tokenizer") && !(type && strstr(type, "mt5")) ? 100 : 0;
    name_duties(s, c);
    if (c->compose)
        s->normal.step[s->normal.n++] = (b4c_step){ .kind = B4C_STEP_FORM, .compose = true };
    return 0;
}
