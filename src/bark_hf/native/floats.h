// The exact mode's rows, products and caches: float32 throughout, every sum in an order that depends on its length alone.
#pragma once
#include "products.h"

struct FloatRows {
    float* x;
    static size_t size(int64_t rows, int64_t n_in) { return rows * n_in * 4; }
    FloatRows(uint8_t* at, int64_t, int64_t) : x((float*)at) {}
    void take(const Linear& w, int64_t r, const float* from) { std::memcpy(x + r * w.n_in, from, w.n_in * 4); }
};

// One output for ROWS rows.
template <int ROWS>
static inline void dot(const float* weight, const float* x, int64_t n_in, float* y, int64_t stride) {
    __m512 sum[ROWS][2];
    for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 32 <= n_in; i += 32)
        for (int c = 0; c < 2; c++) {
            ask(weight + i + 16 * c);
            const __m512 value = _mm512_loadu_ps(weight + i + 16 * c);
            for (int r = 0; r < ROWS; r++) sum[r][c] = _mm512_fmadd_ps(value, _mm512_loadu_ps(x + r * n_in + i + 16 * c), sum[r][c]);
        }
    for (; i < n_in; i += 16)
        for (int r = 0; r < ROWS; r++) sum[r][0] = _mm512_fmadd_ps(_mm512_loadu_ps(weight + i), _mm512_loadu_ps(x + r * n_in + i), sum[r][0]);
    for (int r = 0; r < ROWS; r++) y[r * stride] = _mm512_reduce_add_ps(_mm512_add_ps(sum[r][0], sum[r][1]));
}

// Blocks of outputs first..last - 1; what lies behind the last output is 0. store(row, block, sixteen floats).
template <typename Store>
static inline void float_product(const Linear& w, int64_t first, int64_t last, const float* x, int64_t rows, Store store) {
    for (int64_t number = first; number < last; number++)
        for (int64_t r = 0; r < rows;) {
            alignas(64) float y[8][OUTS] = {};
            const int64_t left = rows - r, n_outs = std::min(OUTS, w.n_out - number * OUTS);
            const int n = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            for (int64_t o = 0; o < n_outs; o++) {
                const float *weight = (const float*)w.weight + (number * OUTS + o) * w.n_in, *at = x + r * w.n_in;
                switch (n) {
                    case 8: dot<8>(weight, at, w.n_in, &y[0][o], OUTS); break;
                    case 4: dot<4>(weight, at, w.n_in, &y[0][o], OUTS); break;
                    case 2: dot<2>(weight, at, w.n_in, &y[0][o], OUTS); break;
                    default: dot<1>(weight, at, w.n_in, &y[0][o], OUTS);
                }
            }
            for (int i = 0; i < n; i++) {
                __m512 value = _mm512_load_ps(y[i]);
                if (w.bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps((__mmask16)((1u << n_outs) - 1), w.bias + number * OUTS));
                store(r + i, number, value);
            }
            r += n;
        }
}

struct FloatPlace {  // of one layer's, row's and head's keys and values
    float *keys, *values;
    FloatPlace(const Network& n, const KeysValues& kv, int64_t layer, int64_t row, int64_t head) {
        const int64_t at = ((layer * kv.n_rows + row) * n.n_heads + head) * kv.room * n.head_dim;
        keys = (float*)kv.keys + at;
        values = (float*)kv.values + at;
    }
};

static inline void write_position(const FloatPlace& place, int64_t position, const float* key, const float* value, int64_t dim) {
    float* block = place.keys + position / 16 * 16 * dim + position % 16;
    for (int64_t d = 0; d < dim; d++) block[d * 16] = key[d];
    std::memcpy(place.values + position * dim, value, dim * 4);
}

// One query of one head over positions 0..length - 1: out [head_dim]. scores: room for length + 16 floats.
template <int PARTS>  // head_dim / 16
static void attend(const float* query, const FloatPlace& kv, int64_t length, float* scores, float* out) {
    constexpr int DIM = 16 * PARTS;
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt((float)DIM)), nothing = _mm512_set1_ps(-INFINITY);
    __m512 top = nothing;
    for (int64_t p = 0; p < length; p += 16) {
        __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int d = 0; d < DIM; d += 4)
            for (int c = 0; c < 4; c++) {
                const float* at = kv.keys + p * DIM + (d + c) * 16;
                ask(at);
                sum[c] = _mm512_fmadd_ps(_mm512_set1_ps(query[d + c]), _mm512_loadu_ps(at), sum[c]);
            }
        __m512 score = _mm512_mul_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])), scale);
        if (length - p < 16) score = _mm512_mask_mov_ps(nothing, (__mmask16)((1u << (length - p)) - 1), score);
        _mm512_storeu_ps(scores + p, score);
        top = _mm512_max_ps(top, score);
    }
    const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    __m512 mass = _mm512_setzero_ps();
    for (int64_t p = 0; p < length; p += 16) {
        __m512 weight = exp16(_mm512_sub_ps(_mm512_loadu_ps(scores + p), highest));
        if (length - p < 16) weight = _mm512_maskz_mov_ps((__mmask16)((1u << (length - p)) - 1), weight);
        mass = _mm512_add_ps(mass, weight);
        _mm512_storeu_ps(scores + p, weight);
    }
    __m512 sum[2][PARTS];
    for (int c = 0; c < PARTS; c++) sum[0][c] = sum[1][c] = _mm512_setzero_ps();
    const auto add = [&](int64_t p, __m512* to) {
        const __m512 weight = _mm512_set1_ps(scores[p]);
        for (int c = 0; c < PARTS; c++) {
            const float* at = kv.values + p * DIM + 16 * c;
            ask(at);
            to[c] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(at), to[c]);
        }
    };
    int64_t p = 0;
    for (; p + 2 <= length; p += 2) { add(p, sum[0]); add(p + 1, sum[1]); }
    if (p < length) add(p, sum[0]);
    const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(mass));
    for (int c = 0; c < PARTS; c++) _mm512_storeu_ps(out + 16 * c, _mm512_mul_ps(_mm512_add_ps(sum[0][c], sum[1][c]), inverse));
}
