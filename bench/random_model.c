/* random_model.c - encoders of random weights, written as users' files are, so that every engine
 * can open the same one. */
#include "random_model.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const bench_shape bench_shapes[] = {
    { "bert-base", 12, 768, 12, 3072, 21128 },
    { "bge-small-zh", 4, 512, 8, 2048, 21128 },
    { "minilm-l6", 6, 384, 12, 1536, 30522 },
    { NULL, 0, 0, 0, 0, 0 },
};

double bench_flops(const bench_shape *s, int sequences, int length)
{
    double w = s->width, linear = 2 * (4 * w * w + 2 * w * s->inner), attention = 4.0 * length * w;
    return (double)sequences * length * s->layers * (linear + attention);
}

/* Normal numbers from a small congruential generator: only their distribution matters. */
static float normal(uint64_t *state)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
    }
    return (float)(sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]));
}

typedef bench_maker maker;

/* One tensor: its header entry in the first pass, its numbers (mean, spread) in the second. */
void bench_tensor(maker *m, const char *name, long long rows, long long cols, float mean,
                  float spread)
{
    long long n = rows * (cols ? cols : 1);
    if (m->header) {
        fprintf(m->out, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%lld", m->count++ ? "," : "", name,
                rows);
        if (cols) fprintf(m->out, ",%lld", cols);
        fprintf(m->out, "],\"data_offsets\":[%lld,%lld]}", m->at, m->at + 4 * n);
        m->at += 4 * n;
        return;
    }
    float block[1024];
    while (n > 0) {
        int k = n < 1024 ? (int)n : 1024;
        for (int i = 0; i < k; i++)
            block[i] = spread > 0 ? mean + spread * normal(&m->random) : mean;
        fwrite(block, sizeof *block, (size_t)k, m->out);
        n -= k;
    }
}

void bench_dense(maker *m, const char *prefix, const char *name, int out, int in)
{
    char path[200];
    snprintf(path, sizeof path, "%s%s.weight", prefix, name);
    bench_tensor(m, path, out, in, 0, 0.03f);
    snprintf(path, sizeof path, "%s%s.bias", prefix, name);
    bench_tensor(m, path, out, 0, 0, 0.02f);
}

void bench_norm(maker *m, const char *prefix, const char *name, int width)
{
    char path[200];
    snprintf(path, sizeof path, "%s%s.weight", prefix, name);
    bench_tensor(m, path, width, 0, 1, 0.1f);
    snprintf(path, sizeof path, "%s%s.bias", prefix, name);
    bench_tensor(m, path, width, 0, 0, 0.1f);
}

void bench_bert_layer(maker *m, const char *p, const bench_shape *s)
{
    bench_dense(m, p, "attention.self.query", s->width, s->width);
    bench_dense(m, p, "attention.self.key", s->width, s->width);
    bench_dense(m, p, "attention.self.value", s->width, s->width);
    bench_dense(m, p, "attention.output.dense", s->width, s->width);
    bench_norm(m, p, "attention.output.LayerNorm", s->width);
    bench_dense(m, p, "intermediate.dense", s->inner, s->width);
    bench_dense(m, p, "output.dense", s->width, s->inner);
    bench_norm(m, p, "output.LayerNorm", s->width);
}

static void bert(maker *m, const bench_shape *s)
{
    bench_tensor(m, "embeddings.word_embeddings.weight", s->vocabulary, s->width, 0, 0.05f);
    bench_tensor(m, "embeddings.position_embeddings.weight", 512, s->width, 0, 0.05f);
    bench_tensor(m, "embeddings.token_type_embeddings.weight", 2, s->width, 0, 0.05f);
    bench_norm(m, "embeddings.", "LayerNorm", s->width);
    for (int l = 0; l < s->layers; l++) {
        char p[64];
        snprintf(p, sizeof p, "encoder.layer.%d.", l);
        bench_bert_layer(m, p, s);
    }
}

static void write_character(FILE *f, int c)
{
    if (c >= 0x10000) fprintf(f, "%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63));
    else fputc(0xe0 | c >> 12, f);
    fprintf(f, "%c%c\n", 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
}

/* A line a token: the special ones, then Chinese characters, so that what a model writes comes back
 * as the same tokens when it is read. */
static int write_vocabulary(const bench_shape *s, const char *folder)
{
    static const char special[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    /* Unicode's blocks of them: the common ones, extensions A and B. */
    static const struct { int first, n; } blocks[] = {
        { 0x4e00, 20902 }, { 0x3400, 6582 }, { 0x20000, 42711 }
    };
    char path[1100];
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    fputs(special, f);
    for (int b = 0, left = s->vocabulary - 5; b < 3; left -= blocks[b++].n)
        for (int i = 0; i < left && i < blocks[b].n; i++) write_character(f, blocks[b].first + i);
    return fclose(f) ? -1 : 0;
}

int bench_write_model(const char *config, bench_tensors_fn tensors, const bench_shape *s,
                      const char *folder)
{
    char path[1100];
    if (mkdir(folder, 0777) < 0 && errno != EEXIST) return -1;
    snprintf(path, sizeof path, "%s/config.json", folder);
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    fprintf(f, config, s->width, s->layers, s->heads, s->inner, s->vocabulary);
    if (fclose(f)) return -1;

    char *header = NULL;
    size_t size = 0;
    maker m = { .header = true };
    m.out = open_memstream(&header, &size);
    if (!m.out) return -1;
    fputc('{', m.out);
    tensors(&m, s);
    fputc('}', m.out);
    while (ftell(m.out) % 8) fputc(' ', m.out);
    fclose(m.out);

    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    m = (maker){ .out = fopen(path, "wb"), .random = 1 };
    if (!m.out) return free(header), -1;
    uint64_t length = size;
    fwrite(&length, 8, 1, m.out);
    fwrite(header, 1, size, m.out);
    tensors(&m, s);
    free(header);
    return fclose(m.out) ? -1 : write_vocabulary(s, folder);
}

static const char config[] =
    "{\"model_type\":\"bert\",\"architectures\":[\"BertModel\"],\"hidden_size\":%d,"
    "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"intermediate_size\":%d,"
    "\"vocab_size\":%d,\"max_position_embeddings\":512,\"type_vocab_size\":2,"
    "\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-12,\"pad_token_id\":0}\n";

bool bench_model_there(const char *folder, const char *name)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/%s/vocab.txt", folder, name);
    FILE *f = fopen(path, "rb"); /* written last */
    if (f) fclose(f);
    return f != NULL;
}

int bench_make_models(const char *folder)
{
    char path[1000];
    if (mkdir(folder, 0777) < 0 && errno != EEXIST) return -1;
    for (const bench_shape *s = bench_shapes; s->name; s++) {
        snprintf(path, sizeof path, "%s/%s", folder, s->name);
        if (!bench_model_there(folder, s->name) && bench_write_model(config, bert, s, path) < 0)
            return -1;
    }
    return 0;
}
