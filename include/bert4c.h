/* bert4c.h - the one public header.
 *
 *     b4c_error err = {0};
 *     b4c_model *model = b4c_model_open("bge-small-zh-v1.5", NULL, &err);
 *     b4c_session *s = b4c_session_new(model, NULL, &err);
 *     float v[512];
 *     const char *text[] = { "今天天气很好" };
 *     b4c_encode(s, text, NULL, 1, NULL, v, &err);
 *
 * A model is what a folder holds: weights, tokenizer, defaults. It never changes after it was
 * opened and any number of threads may share it. A session is one thread's work: its memory, its
 * threads, its options. Strings are UTF-8. Functions that can fail return a negative code or NULL
 * and fill `err`, which may be NULL. What a function allocates has a matching _free, which takes
 * NULL. Nothing here prints, exits or keeps global state.
 */
#ifndef BERT4C_H
#define BERT4C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define B4C_API __attribute__((visibility("default")))
#else
#define B4C_API
#endif

#define B4C_VERSION "0.1.0"

/* ---- errors ------------------------------------------------------------------------------- */

enum {
    B4C_OK = 0,
    B4C_E_ARG = -1,      /* an argument or option is wrong or contradicts another */
    B4C_E_IO = -2,       /* a file could not be opened, read or written */
    B4C_E_FORMAT = -3,   /* a file is not what it should be */
    B4C_E_SHAPE = -4,    /* a tensor has another shape than the architecture wants */
    B4C_E_MISSING = -5,  /* a needed tensor, file, key or head is absent */
    B4C_E_MEMORY = -6,   /* no memory, or over a stated limit */
    B4C_E_TEXT = -7,     /* text is not UTF-8, or too long where truncation is off */
    B4C_E_UNSUPPORTED = -8, /* well-formed, but bert4c does not do it */
    B4C_E_NUMBER = -9,   /* NaN or infinity where a number was needed */
    B4C_E_STOPPED = -10  /* the caller asked to stop */
};

typedef struct b4c_error {
    int code;
    char message[1000];  /* "WHAT: WHERE: found X, wanted Y; TRY", one line, UTF-8 */
} b4c_error;

/* ---- numbers ------------------------------------------------------------------------------ */

/* How weights are kept and multiplied. AUTO: bf16 where the machine multiplies it faster than
 * f32, else f32. I8: one scale an output channel for weights, one a row for activations (pre-norm
 * decoders, GPT-2's and LLaMA's kin: one for each 32 of a row). I4: a scale and an offset for each
 * 32 weights of a row (4.75 bits a weight), a scale for each 32 activations; the head that gives
 * logits is I8, the token table bf16. */
typedef enum b4c_dtype { B4C_AUTO, B4C_F32, B4C_BF16, B4C_I8, B4C_I4 } b4c_dtype;

B4C_API const char *b4c_dtype_name(b4c_dtype);

/* The kernels this process uses ("scalar", "avx2", "avx512", "amx", "neon"); chosen at first use
 * from what the machine has, or forced by the environment variable BERT4C_ISA. */
B4C_API const char *b4c_isa_name(void);

/* Cores this process may use: affinity mask and cgroup quota. >= 1 */
B4C_API int b4c_cpu_count(void);

/* Arithmetic limit of `threads` cores for products of this type, in operations a second (a
 * multiply-add is two), measured on registers with the widest instruction that the kernels in
 * use have for it; 0: not known here. name (may be NULL) becomes the instruction's, also with
 * threads 0, which measures nothing. Takes about 0.1 s. For telling speeds as parts of a limit
 * on machines whose clocks move. */
B4C_API double b4c_machine_peak(b4c_dtype, int threads, const char **name);

/* Major.minor.patch of the Unicode tables in use. */
B4C_API const char *b4c_unicode_version(void);

/* ---- tokenizer ---------------------------------------------------------------------------- */

typedef struct b4c_tokenizer b4c_tokenizer;

typedef enum b4c_truncate {
    B4C_TRUNCATE_RIGHT, B4C_TRUNCATE_LEFT, B4C_TRUNCATE_MIDDLE, B4C_TRUNCATE_ERROR
} b4c_truncate;

/* WordPiece in two dialects (docs/pitfalls.md): the hub's fast tokenizer, and the original
 * BERT / bert4keras rules. AUTO decides from the model's files. */
typedef enum b4c_dialect { B4C_DIALECT_AUTO, B4C_DIALECT_HUB, B4C_DIALECT_BERT4KERAS } b4c_dialect;

/* How a vocabulary cuts text. */
typedef enum b4c_tokenizer_kind {
    B4C_TOKENIZER_WORDPIECE, /* BERT: the longest token of each word */
    B4C_TOKENIZER_UNIGRAM,   /* T5, mT5, XLM-R: the most probable pieces (SentencePiece) */
    B4C_TOKENIZER_BPE,       /* LLaMA 2: characters merged to pieces (SentencePiece) */
    B4C_TOKENIZER_BYTE_BPE   /* GPT-2, Qwen2, LLaMA 3: bytes merged to tokens */
} b4c_tokenizer_kind;

B4C_API const char *b4c_tokenizer_kind_name(b4c_tokenizer_kind);

/* Any field may go against the files; -1 leaves it to them. Those below dialect are WordPiece's. */
typedef struct b4c_tokenizer_options {
    b4c_dialect dialect;
    int lower_case;
    int strip_accents;       /* HUB only */
    int chinese_chars;       /* HUB only: every Chinese character is a word */
    /* cut Chinese into words first, by jieba's algorithm without HMM, as WoBERT, T5 PEGASUS and the
     * word RoFormer do: a word that is a token is one, others fall into characters. -1: where the
     * vocabulary has thousands of words */
    int words;
    const char *user_words;  /* a file of lines "word [frequency]" for that; NULL: none */
} b4c_tokenizer_options;
#define B4C_TOKENIZER_DEFAULT \
    ((b4c_tokenizer_options){ B4C_DIALECT_AUTO, -1, -1, -1, -1, NULL })

typedef struct b4c_tokenize_options {
    int max_length;          /* tokens, special ones included; 0: no limit */
    b4c_truncate truncate;
    bool no_special;         /* put no [CLS], [SEP], </s> ... around the text */
    bool plain_text;         /* do not recognise special and added tokens inside the text */
    /* recognise them in the BERT4KERAS dialect too, which by itself does not */
    bool find_special;
    bool repair;             /* take bytes that are not UTF-8 as U+FFFD instead of failing */
    /* U+FDD0 is no character of the text: no token stretches over it. b4c_chat_text writes it */
    bool parted;
} b4c_tokenize_options;
#define B4C_TOKENIZE_DEFAULT \
    ((b4c_tokenize_options){ 0, B4C_TRUNCATE_RIGHT, false, false, false, false, false })

/* One text or pair as tokens. Arrays have n entries and belong to the encoding. Offsets are
 * [begin, end) into the caller's own text (text a or b by segment): in bytes and in code points.
 * They never fall from token to token, and lie at ends of characters: tokens that are parts of one
 * character all have the place of the whole. A blank that was put in front of the text, alone a
 * token, has begin == end. Special tokens that were added, not found, have begin == end == 0. */
typedef struct b4c_encoding {
    int n;
    int32_t *ids;
    int32_t *segments;       /* 0 first text, 1 second */
    uint32_t *begin, *end;   /* bytes */
    uint32_t *char_begin, *char_end;
    uint8_t *added;          /* 1: [CLS], [SEP]: not from the text */
    int unknown;             /* how many are the unknown token */
    int cut;                 /* tokens that truncation removed */
    /* code points of the text that no token stands for because the rules drop them */
    int n_dropped;
    /* them (controls, U+FFFD, accents, ...): byte offset of each; blanks are not listed */
    uint32_t *dropped;
    /* how many of them are in the first text; the others are in the second */
    int dropped_in_first;
    /* runs of bytes that were not UTF-8 (option repair); WordPiece drops them */
    int repaired;
    int room, dropped_room;  /* entries that the arrays have room for */
    struct b4c_tokenize_work *work; /* what tokenizing needs from call to call */
} b4c_encoding;

/* path: a model, as b4c_model_open takes it, or a tokenizer's own file: tokenizer.json, vocab.txt,
 * a SentencePiece model (spiece.model ...), vocab.json (with merges.txt beside it). Settings beside
 * such a file are read as in a folder. Of a folder, the first of these that is there. A GGUF file
 * has its tokenizer inside, whatever lies beside it; other weights have it beside them. */
B4C_API b4c_tokenizer *b4c_tokenizer_open(const char *path, b4c_dialect, b4c_error *);
B4C_API b4c_tokenizer *b4c_tokenizer_open_with(const char *path, const b4c_tokenizer_options *,
                                               b4c_error *);
B4C_API void b4c_tokenizer_free(b4c_tokenizer *);
/* Ids are 0 .. count-1: as many rows as the model's embedding must at least have. */
B4C_API int b4c_tokenizer_count(const b4c_tokenizer *);
/* Bytes of token id as the vocabulary spells it, or NULL. */
B4C_API const char *b4c_tokenizer_token(const b4c_tokenizer *, int id);
/* Id of a token spelt exactly so, or -1. */
B4C_API int b4c_tokenizer_find(const b4c_tokenizer *, const char *token);

typedef struct b4c_tokenizer_info {
    b4c_dialect dialect;     /* never AUTO */
    bool lower_case, strip_accents, chinese_chars, clean_text;
    int max_length;          /* tokens, as the files state it; 0: they do not */
    int pad, unknown, cls, sep, mask;   /* ids, -1: none */
    /* tokens of two or more Chinese characters: thousands in a word vocabulary, which needs a
     * segmenter */
    int word_tokens;
    const char *notes;       /* what was odd in the files, a line each; "" */
    b4c_tokenizer_kind kind;
    bool words;              /* Chinese is cut into words first */
    int bos, eos;            /* ids as the files name them, -1: none */
    int start, end;          /* what generated text starts behind and ends with: cls and sep of
                              * WordPiece, else bos and eos; -1: none. A model's files may say
                              * otherwise */
    const char *chat;        /* the template that makes text of messages, or NULL */
    const char *chat_names;  /* of all such templates, "default" being that one, a line each; "" */
} b4c_tokenizer_info;
B4C_API void b4c_tokenizer_describe(const b4c_tokenizer *, b4c_tokenizer_info *);

/* Encode a, or the pair (a, b). len_a, len_b: bytes; SIZE_MAX: up to the NUL. b may be NULL;
 * options NULL: the default. The encoding is reused: start from {0}, free once at the end.
 * Thread-safe on one tokenizer. Truncation takes from the longer text of a pair. Fails with
 * B4C_E_TEXT on bytes that are not UTF-8, naming the byte; with B4C_E_ARG where max_length has
 * no room for the special tokens. O(bytes). */
B4C_API int b4c_tokenize(const b4c_tokenizer *, const char *a, size_t len_a, const char *b,
                         size_t len_b, const b4c_tokenize_options *, b4c_encoding *, b4c_error *);
B4C_API void b4c_encoding_free(b4c_encoding *);

/* Text of ids, by the kind's and the dialect's rules: always UTF-8; half a character is U+FFFD.
 * Returns a NUL-ended string that the caller frees with free(), or NULL. */
B4C_API char *b4c_detokenize(const b4c_tokenizer *, const int32_t *ids, int n, bool keep_special,
                             b4c_error *);

/* Messages as the text that a chat model reads, by a template of its files: chat_template.jinja,
 * tokenizer_config.json, chat_template.json, additional_chat_templates, or a GGUF file's own.
 * options NULL: the default. The template puts special tokens where they belong: generate from it
 * with option no_special. Special tokens that a message spells are text, lest a message speaks for
 * the model: U+FDD0 parts their first character from the rest, which no_special and tokenize's
 * `parted` understand. Done is the part of Jinja that such templates use; one that uses more is
 * B4C_E_UNSUPPORTED, by name and line. Returns a NUL-ended string that the caller frees with
 * free(), or NULL. */
typedef struct b4c_message {
    const char *role;        /* "system", "user", "assistant" */
    const char *content;
    size_t size;             /* bytes of content; SIZE_MAX: up to the NUL */
} b4c_message;
typedef struct b4c_chat_options {
    bool no_answer;          /* none shall follow: the text ends behind the last message */
    /* of several templates, as b4c_tokenizer_info's chat_names has them; NULL: "default". A
     * template for tools is taken where it is named, never because there are tools */
    const char *template_name;
    /* what the template knows besides messages, a JSON object ("tools", "enable_thinking", ...), or
     * NULL. Special tokens that its texts spell are text too */
    const char *variables;
} b4c_chat_options;
B4C_API char *b4c_chat_text(const b4c_tokenizer *, const b4c_message *, int n,
                            const b4c_chat_options *, b4c_error *);
/* The same of a JSON list of messages, which may say more of each. */
B4C_API char *b4c_chat_json(const b4c_tokenizer *, const char *messages, size_t bytes,
                            const b4c_chat_options *, b4c_error *);

/* ---- model -------------------------------------------------------------------------------- */

typedef struct b4c_model b4c_model;

typedef enum b4c_pooling {
    B4C_POOL_AUTO,           /* what the model's files say; an error when they say nothing */
    B4C_POOL_CLS,            /* first token of the last layer */
    B4C_POOL_LINEAR,         /* pooler on the first token without its tanh: SimBERT, RoFormer-Sim */
    B4C_POOL_TANH,           /* pooler with tanh, as BERT was trained */
    B4C_POOL_MEAN, B4C_POOL_MAX,
    B4C_POOL_FIRST_LAST,     /* mean of (mean of the first layer, mean of the last) */
    B4C_POOL_MEAN_SQRT,      /* sum of the rows / sqrt(rows) */
    B4C_POOL_WEIGHTED_MEAN,  /* row i of n, from 1, counts i times: sum of i x_i / sum of i */
    B4C_POOL_LAST_TOKEN
} b4c_pooling;

B4C_API const char *b4c_pooling_name(b4c_pooling);

typedef struct b4c_model_options {
    b4c_dtype dtype;
    b4c_dialect dialect;
    /* load the head that gives logits, for filling, generating, scoring; its absence is then an
     * error */
    bool need_head;
    /* load although tensors are missing: they are zero. For inspection only */
    bool allow_missing;
    /* look for NaN and infinity in every tensor (default in the command) */
    bool check_numbers;
    bool weights_only;       /* no tokenizer wanted */
    /* Compute as another family's reference does: "t5-pegasus" for T5 PEGASUS in a hub folder
     * that calls itself mt5: bias in cross-attention, scaled output, gelu by erf. NULL: what
     * config.json says in "bert4c_as", or the hub's way. */
    const char *as;
    /* Lower-case text, and strip its accents, although the tokenizer's files do not say so:
     * WordPiece only. */
    bool lower_case;
} b4c_model_options;
#define B4C_MODEL_DEFAULT \
    ((b4c_model_options){ B4C_AUTO, B4C_DIALECT_AUTO, false, false, true, false, NULL, false })

/* Open a folder in the hub's layout, a TF1 checkpoint's folder or prefix, or one file
 * (.safetensors, pytorch_model.bin, .onnx) with its config.json beside it. options NULL: the
 * default. */
B4C_API b4c_model *b4c_model_open(const char *path, const b4c_model_options *, b4c_error *);
B4C_API void b4c_model_free(b4c_model *);

/* How a model reads a text before it writes. */
typedef enum b4c_reading {
    B4C_READ_AUTO,           /* by the architecture */
    /* token by token: GPT, LLaMA, BERT and NEZHA as language models. The text is continued */
    B4C_READ_CAUSAL,
    /* UniLM over BERT, RoFormer, NEZHA: the source, [CLS] a [SEP], sees all of itself; then a
     * target follows */
    B4C_READ_PREFIX,
    B4C_READ_SEQ2SEQ,        /* T5, BART, PEGASUS: an encoder reads, a decoder writes */
    /* for scoring alone: each token from all others, as a masked LM does */
    B4C_READ_MASKED
} b4c_reading;

B4C_API const char *b4c_reading_name(b4c_reading);

typedef struct b4c_model_info {
    const char *architecture;  /* "bert", "gpt2", "t5", ... */
    const char *layout;        /* "safetensors", "torch", "tf1", "onnx" */
    int layers, width, heads, inner, vocabulary, embedding_width, max_positions /* 0: no limit */;
    b4c_dtype dtype;
    b4c_pooling pooling;       /* AUTO when the files do not say */
    bool normalize;            /* the files ask for unit vectors */
    bool has_pooler, has_mlm;  /* masked-LM head in the files */
    bool has_head;             /* any head that gives logits */
    b4c_reading reading;       /* how AUTO reads before it writes */
    /* first end token, or -1; what the decoder of SEQ2SEQ starts with, or -1 */
    int end, start;
    int max_length;            /* tokens: the smallest limit the files state, or 0 */
    int64_t parameters;
    size_t packed_bytes;       /* memory the weights take */
    /* tokens of the longest text that its training asked it to write, or, of a language model, to
     * read and write; 0: the files do not say */
    int written_length;
    int read_length;           /* of the longest that it was shown before it wrote; 0: not said */
    int classes;               /* of a classifier of texts; 0: the files have none */
    bool classes_of_pairs;     /* it reads the vectors of two texts, [u, v, |u - v|] */
    int dense_steps;           /* dense layers behind the pooling */
    int vector_width;          /* components that vectors have: the last dense layer's, or width */
    int dim;                   /* of which the files keep so many; else vector_width */
} b4c_model_info;

B4C_API void b4c_model_describe(const b4c_model *, b4c_model_info *);
B4C_API const b4c_tokenizer *b4c_model_tokenizer(const b4c_model *);
/* What loading found, as JSON: tensors read with shape and type, unexpected ones, missing ones,
 * name mapping, files. Belongs to the model. */
B4C_API const char *b4c_model_report(const b4c_model *);
/* Name i of the files that may stand in a model's folder beside its weights ("vocab.txt",
 * "1_Pooling/config.json", ...), NULL behind the last, which is config.json: what is to be fetched
 * or compared of a model. Folders of modules and of chat templates are not among them. */
B4C_API const char *b4c_model_file(int i);
/* Prompt the model's files name so ("query", "document"), or NULL. name NULL: their default. */
B4C_API const char *b4c_model_prompt(const b4c_model *, const char *name);

/* What the model's files call class i, or its number in digits; NULL: there is no such class. */
B4C_API const char *b4c_model_label(const b4c_model *, int i);

/* ---- session ------------------------------------------------------------------------------ */

typedef struct b4c_session b4c_session;

typedef struct b4c_session_options {
    int threads;             /* 0: b4c_cpu_count() */
    int batch_tokens;        /* tokens one thread takes through the layers at once; 0: chosen */
} b4c_session_options;

/* One session serves one caller at a time; sessions of one model may run side by side. */
B4C_API b4c_session *b4c_session_new(const b4c_model *, const b4c_session_options *, b4c_error *);
B4C_API void b4c_session_free(b4c_session *);

typedef struct b4c_encode_options {
    b4c_pooling pooling;
    /* 1 unit length, 0 as they are, -1 what the model's files say (no: 0) */
    int normalize;
    /* put before every text; "": none; NULL: the files' default, mostly none */
    const char *prompt;
    int max_length;          /* 0: the model's */
    b4c_truncate truncate;
    /* keep the first dim components (before normalising); 0: as many as the model's files say,
     * mostly all */
    int dim;
} b4c_encode_options;
#define B4C_ENCODE_DEFAULT \
    ((b4c_encode_options){ B4C_POOL_AUTO, -1, NULL, 0, B4C_TRUNCATE_RIGHT, 0 })

/* Components of a vector that b4c_encode will write, or a negative code. */
B4C_API int b4c_encode_width(const b4c_session *, const b4c_encode_options *, b4c_error *);

/* out [n, width]: one vector a text. lens [n]: bytes, or NULL for NUL-ended texts. A vector does
 * not depend on the other texts, on their order or on the number of threads, to the bit.
 * B4C_E_NUMBER: one holds NaN or infinity, since numbers overflowed in the layers. */
B4C_API int b4c_encode(b4c_session *, const char *const *texts, const size_t *lens, int n,
                       const b4c_encode_options *, float *out, b4c_error *);

/* Tokens read, tokens cut by truncation, unknown tokens: of the last call. */
typedef struct b4c_encode_stats { int64_t tokens, cut, unknown; int texts_cut; } b4c_encode_stats;
B4C_API void b4c_session_stats(const b4c_session *, b4c_encode_stats *);

/* Already tokenized input, sequences end to end: ids, segments (NULL: zeros) [rows], lengths [n].
 * out [n, width]. Same result as b4c_encode on the same ids. */
B4C_API int b4c_encode_ids(b4c_session *, const int32_t *ids, const int32_t *segments,
                           const int *lengths, int n, const b4c_encode_options *, float *out,
                           b4c_error *);

/* Logits [n, classes] of texts, by a classifier that the model's files hold: what task `classify`
 * or `pairs` of a training made, or a BERT, ALBERT, NEZHA ...ForSequenceClassification of the hub.
 * second [n]: of each text the other one of its pair, or NULL: texts alone. A pair is read as one
 * sequence, or, by a model with classes_of_pairs, which wants pairs, as two. lens, second_lens:
 * bytes, or NULL for NUL-ended texts. max_length 0: the model's. Logits do not depend on the other
 * texts, to the bit. b4c_session_stats counts. */
typedef struct b4c_classify_options {
    int max_length;
    b4c_truncate truncate;
} b4c_classify_options;
#define B4C_CLASSIFY_DEFAULT ((b4c_classify_options){ 0, B4C_TRUNCATE_RIGHT })
B4C_API int b4c_classify(b4c_session *, const char *const *texts, const size_t *lens,
                         const char *const *second, const size_t *second_lens, int n,
                         const b4c_classify_options *, float *logits, b4c_error *);

/* Whitening: vectors whose covariance is 1, of which the first components keep what varies most
 * (Su et al. 2021). Made of vectors that were added, in any number of calls; then applied to
 * others. It helps models whose vectors crowd in one corner (BERT as it is), and hurts those that
 * were trained to compare. */
typedef struct b4c_whitening b4c_whitening;
B4C_API b4c_whitening *b4c_whitening_new(int width, b4c_error *);
/* vectors [n, width]. O(n width^2). */
B4C_API int b4c_whitening_add(b4c_whitening *, const float *vectors, size_t n, b4c_error *);
/* After the last vector, 2 at least. O(width^3). */
B4C_API int b4c_whitening_solve(b4c_whitening *, b4c_error *);
B4C_API int b4c_whitening_save(const b4c_whitening *, const char *path, b4c_error *);
B4C_API b4c_whitening *b4c_whitening_open(const char *path, b4c_error *);
B4C_API void b4c_whitening_free(b4c_whitening *);
/* Of the vectors that go in; how many components can come out (0: not solved). */
B4C_API int b4c_whitening_width(const b4c_whitening *);
B4C_API int b4c_whitening_rank(const b4c_whitening *);
/* x [n, width] to y [n, keep], not normalised. 1 <= keep <= rank. */
B4C_API int b4c_whitening_apply(const b4c_whitening *, const float *x, size_t n, int keep,
                                float *y, b4c_error *);

/* What the tokens of one text become: out [layers + 1, n, width], after the embedding and after
 * each layer, the last behind the final norm. Decoders read token by token; of an encoder-decoder
 * it is the encoder. */
B4C_API int b4c_hidden(b4c_session *, const int32_t *ids, int n, float *out, b4c_error *);

/* The best `top` tokens for every mask token in one text; a text without one has 0 masks, and is
 * no error. */
typedef struct b4c_fill_options {
    int top;
    int max_length;          /* tokens; 0: the model's */
    b4c_truncate truncate;
} b4c_fill_options;
#define B4C_FILL_DEFAULT ((b4c_fill_options){ 5, 0, B4C_TRUNCATE_ERROR })
typedef struct b4c_candidate { int32_t id; float p; } b4c_candidate;
typedef struct b4c_fill_result {
    int masks, top;
    int *position;           /* [masks] token index */
    uint32_t *begin;         /* [masks] byte offset of the mask in the text */
    b4c_candidate *best;     /* [masks, top], falling p; softmax over the whole vocabulary */
} b4c_fill_result;
B4C_API int b4c_fill(b4c_session *, const char *text, size_t len, const b4c_fill_options *,
                     b4c_fill_result *, b4c_error *);
B4C_API void b4c_fill_result_free(b4c_fill_result *);

/* ---- generation --------------------------------------------------------------------------- */

typedef enum b4c_early_stopping {
    /* stop when no live beam can beat the worst kept result at the length it has now */
    B4C_EARLY_HEURISTIC,
    B4C_EARLY_ALWAYS,        /* stop when as many results as beams are finished */
    B4C_EARLY_NEVER          /* exact: stop when no live beam can beat them at any length */
} b4c_early_stopping;

typedef enum b4c_finish {
    B4C_FINISH_NONE,
    B4C_FINISH_END,          /* end token */
    B4C_FINISH_LENGTH,       /* limit reached */
    B4C_FINISH_STOP,         /* stop string or token */
    B4C_FINISH_STOPPED,      /* by the caller */
    B4C_FINISH_CYCLE         /* it ended in a cycle as long as option stop_cycle says */
} b4c_finish;

/* "end", "length", "stop", "stopped", "cycle", "none" */
B4C_API const char *b4c_finish_name(b4c_finish);

typedef struct b4c_bias { int32_t token; float bias; } b4c_bias;
typedef struct b4c_phrase { const int32_t *ids; int n; } b4c_phrase;

/* All options work together; what contradicts is an error. Names and meanings are those people
 * know from elsewhere. */
typedef struct b4c_generate_options {
    int max_new_tokens, min_new_tokens;   /* before the minimum no end token can come */
    int n;                                /* results a text */
    /* beams */
    int beams;                            /* 1: greedy or sampling */
    int beam_groups;                      /* diverse beam search: groups of beams / beam_groups */
    /* taken off a token's score for each earlier group that chose it in this step */
    float diversity;
    float length_penalty;                 /* score / length^penalty */
    b4c_early_stopping early_stopping;
    /* bert4keras's search instead: no length normalisation; ended beams that are not best are
     * dropped; min_new_tokens is its minlen and does not forbid end tokens */
    bool bert4keras_beam;
    int min_ends;                         /* with it: end tokens that a result must hold; 1 */
    /* sampling; without it the likeliest tokens are taken */
    bool sample;
    float temperature;                    /* 1e-6 to 1e4 */
    int top_k;                            /* 0: off */
    float top_p, min_p, typical;          /* 1, 0, 1: off */
    uint64_t seed;
    /* repetition: over prompt and result in decoder-only models, the result alone elsewhere.
     * repetition_penalty: above B4C_REPETITION_PENALTY_MOST that is used: beyond it what was said
     * is as good as forbidden, and models write rows of brackets */
    float repetition_penalty, presence_penalty, frequency_penalty;
    int no_repeat_ngram;
    /* tokens */
    const b4c_bias *bias;                 /* 1e9 at most; -infinity forbids a token */
    int n_bias;
    /* sequences that never appear; sequences that must all appear */
    const b4c_phrase *bad, *forced;
    int n_bad, n_forced;
    bool allow_unknown;                   /* [UNK], [PAD], [MASK], [CLS] may be produced */
    const int32_t *not_first;             /* tokens that never begin a result */
    int n_not_first;
    /* the last token that max_new_tokens allows can be an end token alone, at no cost to a beam:
     * a result that the limit ends has one token fewer (transformers' forced_eos_token_id) */
    bool end_at_limit;
    const int32_t *stop_tokens;           /* besides the model's own end tokens */
    int n_stop_tokens;
    /* strings; a result is cut before the first behind its least tokens */
    const char *const *stop;
    int n_stop;
    /* a result ends when it ends in the same tokens this many times, at least 12 tokens in all (of
     * its last 2048); 0: never */
    int stop_cycle;
    /* log-probability of every token, before temperature and filters */
    bool logprobs;
    /* a result that a length limit ends loses what stands behind its last whole sentence, if it has
     * one (it ends with 。！？；…!?.; and a closing quote or bracket behind) */
    bool whole_sentences;
    int alternatives;                     /* and of this many best tokens at each place */
    /* the source */
    b4c_reading reading;
    /* tokens of the text that are read, special ones included; 0: what the model holds */
    int max_source;
    b4c_truncate truncate;                /* where a longer one is cut */
    /* put no special tokens around it: they are in it, as b4c_chat_text writes them */
    bool no_special;
    /* What result 0 of text `text` has become longer by: whole characters, of `bytes` bytes (0:
     * nothing yet; "" at the end of a step), never taken back. Pieces come with greedy decoding
     * and sampling of one result, with beams only at the end. Another return than 0 stops that
     * text. NULL: not wanted. */
    int (*stream)(void *arg, int text, const char *piece, size_t bytes);
    void *stream_arg;
    /* Asked at every step; another answer than 0 ends the call with B4C_E_STOPPED. NULL: never. */
    int (*interrupt)(void *arg);
    void *interrupt_arg;
} b4c_generate_options;
#define B4C_REPETITION_PENALTY_MOST 2.0f
#define B4C_GENERATE_DEFAULT                                                           \
    ((b4c_generate_options){ .max_new_tokens = 128, .n = 1, .beams = 1,                \
                             .beam_groups = 1, .length_penalty = 1, .min_ends = 1,     \
                             .temperature = 1, .top_p = 1, .typical = 1,               \
                             .repetition_penalty = 1 })

/* The default, changed by what the model's generation_config.json says: beams, sampling, penalties,
 * lengths; tokens, phrases and strings, in lists that belong to the model. What it asks for beyond
 * that is named by the report ("generation_ignored"). */
B4C_API b4c_generate_options b4c_generate_defaults(const b4c_model *);

typedef struct b4c_result {
    const int32_t *ids;      /* without prompt and start token; an end token is left out */
    int n;
    const char *text;        /* NULL without a tokenizer */
    double logprob;          /* sum over ids and the end token */
    double score;            /* what beams were ranked by; else logprob */
    const float *token_logprob;      /* [n], with option logprobs */
    const b4c_candidate *alternative;    /* [n, alternatives], p is a log-probability here */
    b4c_finish finish;
    /* it ends in the same `cycle` tokens, `rounds` times one after the other: 3 rounds and 12
     * tokens at least. 0: it does not */
    int cycle, rounds;
} b4c_result;

/* What a call wrote. Belongs to the caller: start from {0}, free once at the end. */
typedef struct b4c_generation {
    int n;                   /* texts */
    const int *count;        /* [n] results of each */
    /* [n], of each [count]: best first (beams), or in order (samples) */
    const b4c_result *const *result;
    int64_t tokens_read, tokens_written; /* of all sources and results */
    int texts_cut;           /* sources that truncation shortened */
    int64_t cut;             /* tokens that they lost */
    int64_t unknown;         /* of the sources' tokens, those that the vocabulary lacks */
    int empty;               /* results without a token */
    int at_limit;            /* results that a length limit ended */
    /* texts that max_new_tokens would take beyond the positions that the model has: they stop
     * there */
    int shortened;
    int unfamiliar;          /* sources longer than the model's read_length */
    struct b4c_generation_own *own;
} b4c_generation;

/* Continue or answer n texts, all in one continuous batch: finished results leave it, waiting
 * texts enter. lens: bytes, or NULL for NUL-ended texts. options NULL: b4c_generate_defaults. A
 * result depends on its text, the options and the seed alone: not on other texts, their order or
 * the number of threads; equal texts get equal samples. Needs a model opened with need_head. */
B4C_API int b4c_generate(b4c_session *, const char *const *texts, const size_t *lens, int n,
                         const b4c_generate_options *, b4c_generation *, b4c_error *);
/* The same from tokens, sequences of lengths [n] end to end, read as they are. segments NULL:
 * zeros. What is written gets segment 1 (PREFIX) or 0; where segments are given, the other one
 * than the last token's: a dialogue's other speaker. */
B4C_API int b4c_generate_ids(b4c_session *, const int32_t *ids, const int32_t *segments,
                             const int *lengths, int n, const b4c_generate_options *,
                             b4c_generation *, b4c_error *);
B4C_API void b4c_generation_free(b4c_generation *);

/* Other ways to say a text, by SimBERT, RoFormer-Sim and their like (a PREFIX model whose
 * vectors tell likeness): samples, without repeats and the text itself (also where only blanks
 * differ), encoded by the same model, by falling cosine to the text. */
typedef struct b4c_paraphrase_options {
    b4c_generate_options generate;       /* n: samples a text */
    int keep;                            /* the most candidates given back; 0: all */
    float floor;                         /* least cosine */
    /* AUTO: linear where there is a pooler, else what the files say */
    b4c_pooling pooling;
    /* tokens of the source, [CLS] being 0, that are read as [MASK]: freer variants */
    const int *mask;
    int n_mask;
} b4c_paraphrase_options;
#define B4C_PARAPHRASE_DEFAULT                                                                 \
    ((b4c_paraphrase_options){ .generate = { .max_new_tokens = 64, .n = 100, .beams = 1,       \
                                             .beam_groups = 1, .length_penalty = 1,            \
                                             .min_ends = 1, .sample = true, .temperature = 1,  \
                                             .top_p = 0.95f, .typical = 1,                     \
                                             .repetition_penalty = 1,                          \
                                             .reading = B4C_READ_PREFIX },                     \
                               .keep = 20, .floor = -1 })

typedef struct b4c_paraphrase {
    const char *text;
    float cosine;
    double logprob;
    b4c_finish finish;
} b4c_paraphrase;

typedef struct b4c_paraphrases {
    int n;                   /* texts */
    const int *count;        /* [n] candidates of each */
    const b4c_paraphrase *const *candidate;      /* [n], of each [count] */
    int64_t tokens_read, tokens_written;
    int texts_cut;
    int64_t cut;
    int unfamiliar;          /* texts longer than the model's read_length */
    int repeats;             /* samples dropped as repeats, empty or the text itself */
    int below;               /* candidates under the floor */
    struct b4c_paraphrases_own *own;
} b4c_paraphrases;

B4C_API int b4c_paraphrase_texts(b4c_session *, const char *const *texts, const size_t *lens, int n,
                                 const b4c_paraphrase_options *, b4c_paraphrases *, b4c_error *);
B4C_API void b4c_paraphrases_free(b4c_paraphrases *);

/* How likely a model finds texts. */
typedef struct b4c_score_options {
    /* AUTO: with sources as the model generates; without, MASKED where it is a masked LM */
    b4c_reading reading;
    int end;                 /* the end token counts too: 1, 0; -1: where there is a source */
    /* tokens of source and text; 0: what the model holds. A longer text is an error */
    int max_length;
    /* CAUSAL without sources: a longer text is read in windows of max_length tokens, of which each
     * reads again the last half of the one before; every token counts once */
    bool windows;
} b4c_score_options;
#define B4C_SCORE_DEFAULT ((b4c_score_options){ B4C_READ_AUTO, -1, 0, false })

typedef struct b4c_score {
    int n;                   /* tokens that count */
    const int32_t *ids;      /* [n] */
    const float *token_logprob;          /* [n] */
    /* their sum; MASKED: the pseudo-log-likelihood (Salazar et al. 2020) */
    double logprob;
    double perplexity;       /* exp(-logprob / n); 0 tokens: NaN */
} b4c_score;

typedef struct b4c_scores {
    int n;
    const b4c_score *score;  /* [n] */
    b4c_reading reading;     /* as which they were scored */
    struct b4c_scores_own *own;
} b4c_scores;

/* texts [n], and the source of each, or NULL. lens, source_lens [n]: bytes, or NULL for NUL-ended
 * texts. A first token that nothing stands before does not count. */
B4C_API int b4c_score_texts(b4c_session *, const char *const *sources, const size_t *source_lens,
                            const char *const *texts, const size_t *lens, int n,
                            const b4c_score_options *, b4c_scores *, b4c_error *);
/* The same from tokens: text i is ids, of lengths[i], the first given[i] of which are its source
 * (SEQ2SEQ: what the encoder reads) and do not count. given NULL: zeros. An end token counts if
 * it stands there. MASKED: special tokens ([CLS], [SEP], [PAD]) do not count. */
B4C_API int b4c_score_ids(b4c_session *, const int32_t *ids, const int *lengths, const int *given,
                          int n, const b4c_score_options *, b4c_scores *, b4c_error *);
B4C_API void b4c_scores_free(b4c_scores *);

/* ---- converting --------------------------------------------------------------------------- */

typedef struct b4c_convert_options {
    b4c_dtype dtype;         /* AUTO: F32 */
    bool force;              /* replace a folder of that name */
    const char *as;          /* as in b4c_model_options; the folder will say it */
    /* Bytes of weights written so far, and of all; another answer than 0 ends the call with
     * B4C_E_STOPPED. May be NULL */
    int (*progress)(void *arg, int64_t done, int64_t total);
    void *progress_arg;
    /* The vocabulary without the tokens that no text becomes, as bert4keras' load_vocab(simplified=
     * True) makes it: tokens of several characters that hold a Chinese one or punctuation go, but
     * for those listed here, parted by commas, which stand first ("[PAD],[UNK],[CLS],[SEP]"). The
     * token table keeps the rows of the others; if it has just so many already, it was trained so.
     * NULL: the whole vocabulary. WordPiece only */
    const char *simplify;
} b4c_convert_options;
#define B4C_CONVERT_DEFAULT ((b4c_convert_options){ B4C_F32, false, NULL, NULL, NULL, NULL })

/* A model of any layout that b4c_model_open reads, as a folder in the hub's layout: config.json,
 * model.safetensors, the tokenizer's files (copied; of a GGUF file written), and what the model's
 * files say of generation and of vectors. F32 and BF16 open in the hub's libraries too; I8 and I4
 * are our own (docs/models.md). Opened in its dtype, the folder computes what the model does in
 * that dtype, to the bit. The folder appears when it is whole; on failure nothing is left. *report
 * (may be NULL): JSON that the caller frees with free(): "tensors", each with its name, shape,
 * type, bytes and, where it was rounded, "rms_error" and "largest_error", relative to the tensor's
 * own root mean square and largest value; "bytes_before", "bytes_after", "dropped": names that were
 * not taken over. B4C_E_ARG: a folder of that name is there; B4C_E_NUMBER: NaN or infinity. */
B4C_API int b4c_convert(const char *path, const char *folder, const b4c_convert_options *,
                        char **report, b4c_error *);

/* Cosine of two vectors of n components, summed in double; 0 when one of them is all zero. */
B4C_API double b4c_cosine(const float *a, const float *b, int n);

/* ---- measures ----------------------------------------------------------------------------- */

/* How well scores agree with labels. What is not defined - fewer than two values, a constant
 * side, one class only - is NaN and no error; a NaN that comes in is B4C_E_NUMBER. Equal values
 * never depend on their order. O(n log n). */
B4C_API double b4c_pearson(const double *a, const double *b, size_t n);
/* Pearson of average ranks: equal values share the mean of their ranks. */
B4C_API int b4c_spearman(const double *a, const double *b, size_t n, double *out, b4c_error *);
/* Area under the ROC curve: the chance that a random positive scores above a random negative,
 * ties half. Labels are 0 or 1. */
B4C_API int b4c_auc(const double *score, const double *label, size_t n, double *out, b4c_error *);
/* The highest F1 over all thresholds (positive: score >= threshold), and the highest threshold
 * that reaches it. Labels are 0 or 1. */
B4C_API int b4c_best_f1(const double *score, const double *label, size_t n, double *f1,
                        double *threshold, b4c_error *);

/* How often each class was meant, said, and rightly said, from counts [classes, classes] of texts:
 * row i, what they are; column k, what was said of them. Precision, recall and F1 of nothing are 0.
 * each [classes], or NULL. macro_f1: the mean F1 of classes that were meant or said (as
 * scikit-learn's f1_score has it). Without texts accuracy and macro_f1 are NaN. */
typedef struct b4c_class_measure {
    int64_t meant, said;
    double precision, recall, f1;
} b4c_class_measure;
B4C_API void b4c_classes_measure(const int64_t *counts, int classes, double *accuracy,
                                 double *macro_f1, b4c_class_measure *each);

/* How alike a text and the one that was wanted are, by the characters they share: F1 of single
 * characters, of pairs and of the longest common subsequence (ROUGE-1, -2, -L: Lin 2004), and BLEU
 * of up to four characters in a row (Papineni et al. 2002; an order without a match counts as 0.1).
 * 0 to 1. Blanks do not count, letters are lower case; a text without characters has 0 in all. The
 * measure of a set is the mean of its texts. */
typedef struct b4c_overlap { double rouge_1, rouge_2, rouge_l, bleu; } b4c_overlap;
B4C_API int b4c_overlap_measure(const char *found, size_t found_size, const char *wanted,
                                size_t wanted_size, b4c_overlap *, b4c_error *);

/* How varied texts are: of all their n-grams together the share of different ones, n 1 and 2
 * (distinct-1, distinct-2: Li et al. 2016). Of characters, as above; none goes over the end of a
 * text. It falls as texts become more, so only sets of about a size compare. 0 to 1; NaN: no n-gram
 * was added. O(characters); memory for the different ones. */
typedef struct b4c_distinct b4c_distinct;
B4C_API b4c_distinct *b4c_distinct_new(b4c_error *);
B4C_API void b4c_distinct_free(b4c_distinct *);
B4C_API int b4c_distinct_add(b4c_distinct *, const char *text, size_t size, b4c_error *);
B4C_API void b4c_distinct_measure(const b4c_distinct *, double *distinct_1, double *distinct_2);

/* ---- training ----------------------------------------------------------------------------- */

/* A training after a recipe (docs/training.md): it reads data, learns step by step, and writes a
 * model's folder.
 *
 *     b4c_trainer *t = b4c_trainer_open("recipe.json", NULL, &err);
 *     b4c_train_report r;
 *     int rc;
 *     while ((rc = b4c_trainer_step(t, &r, &err)) > 0) printf("%g\n", r.loss);
 *     b4c_trainer_free(t);
 */
typedef struct b4c_trainer b4c_trainer;

/* Processes that train one model together, each from its share of a step's batches: n ranks take n
 * times as many batches a step as one, and learn from them what one rank would with n times the
 * `accumulate` of the recipe, to the rounding of sums. Whoever starts them gives these functions
 * (the command has them for Open MPI); all ranks call them in the same order. They return 0, or a
 * negative code and *err. */
typedef struct b4c_world {
    int rank, n;             /* this one, 0 .. n-1 */
    /* x[i] becomes the sum of all ranks' x[i]; may return before that is done */
    int (*add)(void *self, float *x, size_t n, b4c_error *err);
    int (*wait)(void *self, b4c_error *err);     /* until all that was begun is done */
    int (*add_doubles)(void *self, double *x, int n, b4c_error *err);    /* done on return */
    int (*share)(void *self, void *data, size_t bytes, b4c_error *err);  /* rank 0's to all */
    void *self;
} b4c_world;

typedef struct b4c_trainer_options {
    int threads;             /* 0: b4c_cpu_count(). Results are the same with any number */
    bool resume;             /* go on from the checkpoint in the recipe's output folder */
    const char *const *set;  /* [n_set] changes to the recipe: "optimiser.rate=1e-4" */
    int n_set;
    const b4c_world *ranks;  /* NULL: alone. Must outlive the trainer. Rank 0 alone writes */
} b4c_trainer_options;

/* NULL: the recipe, its data or its model are wrong, or there is no memory. Without `resume` an
 * output folder that holds a checkpoint is refused. options NULL: the defaults. */
B4C_API b4c_trainer *b4c_trainer_open(const char *recipe, const b4c_trainer_options *, b4c_error *);
B4C_API void b4c_trainer_free(b4c_trainer *);

typedef struct b4c_trainer_info {
    const char *task, *output, *architecture, *optimiser, *metric;
    int64_t steps, step;     /* in all; taken so far */
    int64_t parameters, trained;
    int64_t records;         /* in one round of the data; 0: not known */
    int64_t left_out;        /* records beside these that the task can make nothing of */
    double unknown;          /* share of unknown tokens in a sample of the data */
    int added;               /* tensors that the model's files lacked: new and random */
    int threads, ranks;
    b4c_dtype dtype;
    /* Bytes, found by a rehearsal of the largest batch. gradients 0: each moves its weights as soon
     * as it is whole, and is not kept. activations: with their gradients, and evaluating. rest: the
     * data's index, tokenizer, all that the process had before; not pages of mapped files. */
    size_t weights, gradients, state, activations, rest;
} b4c_trainer_info;
B4C_API void b4c_trainer_describe(const b4c_trainer *, b4c_trainer_info *);

/* What was written for a text of the recipe's samples. */
typedef struct b4c_train_sample { const char *source, *text; } b4c_train_sample;

typedef struct b4c_train_report {
    int64_t step;
    double loss;             /* of this step */
    double token_loss, vector_loss, class_loss; /* its parts, as the task has them */
    double accuracy;         /* of classes; NaN without */
    double norm, rate;       /* of the gradients before clipping; learning rate */
    int tokens;              /* read in this step */
    double epoch;            /* rounds of the data so far; 0: not known */
    bool evaluated, best;    /* held-out data were measured; and never better before */
    double measure;          /* by the recipe's metric; NaN where it is not defined */
    bool saved;              /* a checkpoint was written */
    bool stopping;           /* some rank wishes to stop (b4c_trainer_wish_stop) */
    const b4c_train_sample *sample; /* [samples] written in this step; until the next one */
    int samples;
} b4c_train_report;

/* One step. 1: taken; 0: all steps were taken before, the output folder is complete. After
 * B4C_E_NUMBER (a loss or gradient that is no number: the batch is in the output folder) or any
 * other error the weights are those of the last checkpoint or before. */
B4C_API int b4c_trainer_step(b4c_trainer *, b4c_train_report *, b4c_error *);
/* The next step's report says `stopping` on every rank, so that all of them stop behind it. */
B4C_API void b4c_trainer_wish_stop(b4c_trainer *);
/* Write a checkpoint now: what `resume` goes on from. All ranks call it. */
B4C_API int b4c_trainer_save(b4c_trainer *, b4c_error *);

#ifdef __cplusplus
}
#endif
#endif
