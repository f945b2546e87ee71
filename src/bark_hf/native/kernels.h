// What Python hands over (ctypes structures of the same fields in interface.py) and what is computed from it.
#pragma once
#include <cstdint>

extern "C" {

// A linear layer. float32 weights lie as PyTorch has them, [n_out, n_in]; others in blocks of 16 outputs: [n_out / 16, n_in / 4, 16, 4] int8, or, for int4, two inputs' groups
// of four in a byte's low and high half: [n_out / 16, n_in / 8, 16, 4]. An AMX tile is 1 KB of the former.
struct Linear {
    const uint8_t* weight;
    const float* scale;       // int8: [n_out], weight = int * scale
    const int32_t* offset;    // int8: [n_out], 128 times the sum of an output's ints
    const uint16_t* groups;   // int4: float16 [n_out / 16, n_in / group, 2, 16], weight = uint * groups[0] + groups[1]
    const float* bias;        // [n_out] or null
    int64_t n_in, n_out, group;  // group: inputs that share an int4 scale; 0: int8; -1: float32
};

struct Norm {
    const float *weight, *bias;  // bias may be null
    float eps;
};

struct Layer {
    Norm norm_1, norm_2;
    Linear qkv, out, up, down;
};

struct Network {
    const Layer* layers;
    Norm norm;
    Linear head;              // n_out 0: the caller has its own
    int64_t n_layers, width, n_heads, head_dim;
};

// Keys and values as int8 with a scale per position and head: [n_layers, n_rows, n_heads, ...] keys [room / 16, head_dim / 4,
// 16, 4], values [room, head_dim], scales [3, room]: float32 of keys and of values, int32 of 128 times the sum of a key's ints.
// Or, with scales null, as float32: keys [room / 16, head_dim, 16], values [room, head_dim].
struct KeysValues {
    void *keys, *values;
    float* scales;
    int64_t n_rows, room;     // rows allocated, positions per row (a multiple of 16)
};

int bark_prepare(int use_amx);  // 1 if AMX is used
void bark_linear(const Linear*, const float* x, float* y, int64_t rows, int gelu, int threads);
void bark_write_prompt(const Network*, const KeysValues*, int64_t layer, int64_t row, const float* qkv, int64_t length,
                       int threads);
int bark_blocks(const Network*, const KeysValues*, int64_t row, float* hidden, int64_t length, int causal, int threads);
void bark_step(const Network*, const KeysValues*, float* hidden, const int64_t* lengths, int64_t rows, int64_t first_out,
               int64_t n_outs, float* logits, int threads);
}
