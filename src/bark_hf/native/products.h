// Rows times quantised weights. Every row is rounded to 8 bits by its own peak, and sums are integers: a row's result is the
// same to the last bit in whatever company it comes, by VNNI and by AMX.
#pragma once
#include <algorithm>
#include <cstring>
#include "kernels.h"
#include "vector_math.h"

constexpr int64_t OUTS = 16;   // outputs in a block
constexpr int64_t TILE_ROWS = 32;
constexpr int64_t AHEAD = 8192;  // bytes of weights, keys and values that are asked for before their turn

static inline void ask(const void* at) { _mm_prefetch((const char*)at + AHEAD, _MM_HINT_T0); }

// A row as 8-bit ints: for int8 weights plus 128 (the processor multiplies unsigned with signed), for int4 signed.
// Returns the scale. sums: for int4, the sum of the ints of each group.
static float round_row(const Linear& w, const float* x, uint8_t* ints, int32_t* sums) {
    __m512 peak = _mm512_setzero_ps();
    for (int64_t i = 0; i < w.n_in; i += 16) peak = _mm512_max_ps(peak, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    const float top = std::max(_mm512_reduce_max_ps(peak), 1e-30f);
    const __m512 factor = _mm512_set1_ps(127.0f / top);
    const __m128i flip = _mm_set1_epi8(w.group ? 0 : (char)0x80);
    for (int64_t i = 0; i < w.n_in; i += 16) {
        const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), factor));
        _mm_storeu_si128((__m128i*)(ints + i), _mm_xor_si128(_mm512_cvtsepi32_epi8(rounded), flip));
    }
    if (w.group) {
        const __m512i ones = _mm512_set1_epi8(1);
        for (int64_t g = 0; g < w.n_in / w.group; g++) {
            __m512i sum = _mm512_setzero_si512();
            if (w.group == 64) sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(ints + 64 * g));
            else sum = _mm512_zextsi256_si512(_mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm512_castsi512_si256(ones),
                                                                  _mm256_loadu_si256((const __m256i*)(ints + 32 * g))));
            sums[g] = _mm512_reduce_add_epi32(sum);
        }
    }
    return top / 127.0f;
}

static inline int32_t four(const uint8_t* at) {
    int32_t value;
    std::memcpy(&value, at, 4);
    return value;
}

// One block of outputs for ROWS rows, float sums without bias.
template <int ROWS>
static inline void block_int8(const Linear& w, int64_t block, const uint8_t* x, const float* scales, __m512* y) {
    const uint8_t* weight = w.weight + block * OUTS * w.n_in;
    constexpr int CHAINS = ROWS >= 4 ? 1 : 4 / ROWS;  // independent sums, so that none waits for the one before
    __m512i sum[ROWS][CHAINS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < CHAINS; c++) sum[r][c] = _mm512_setzero_si512();
    for (int64_t i = 0; i < w.n_in; i += 4 * CHAINS)
        for (int c = 0; c < CHAINS; c++) {
            ask(weight + (i + 4 * c) * OUTS);
            const __m512i value = _mm512_loadu_si512(weight + (i + 4 * c) * OUTS);
            for (int r = 0; r < ROWS; r++)
                sum[r][c] = _mm512_dpbusd_epi32(sum[r][c], _mm512_set1_epi32(four(x + r * w.n_in + i + 4 * c)), value);
        }
    const __m512i offset = _mm512_loadu_si512(w.offset + block * OUTS);
    const __m512 scale = _mm512_loadu_ps(w.scale + block * OUTS);
    for (int r = 0; r < ROWS; r++) {
        for (int c = 1; c < CHAINS; c++) sum[r][0] = _mm512_add_epi32(sum[r][0], sum[r][c]);
        y[r] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][0], offset)),
                             _mm512_mul_ps(scale, _mm512_set1_ps(scales[r])));
    }
}

template <int ROWS>
static inline void block_int4(const Linear& w, int64_t block, const uint8_t* x, const float* scales, const int32_t* sums,
                              __m512* y) {
    const int64_t n_groups = w.n_in / w.group;
    const uint8_t* weight = w.weight + block * OUTS * w.n_in / 2;
    const uint16_t* group = w.groups + block * n_groups * 2 * OUTS;
    const __m512i low = _mm512_set1_epi8(15);
    for (int r = 0; r < ROWS; r++) y[r] = _mm512_setzero_ps();
    for (int64_t g = 0; g < n_groups; g++, group += 2 * OUTS) {
        __m512i sum[ROWS][2];
        for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
        for (int64_t i = g * w.group; i < (g + 1) * w.group; i += 8) {
            ask(weight + i * OUTS / 2);
            const __m512i both = _mm512_loadu_si512(weight + i * OUTS / 2);
            const __m512i first = _mm512_and_si512(both, low), second = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
            for (int r = 0; r < ROWS; r++) {
                const uint8_t* at = x + r * w.n_in + i;
                sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], first, _mm512_set1_epi32(four(at)));
                sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], second, _mm512_set1_epi32(four(at + 4)));
            }
        }
        const __m512 scale = half16(group), middle = half16(group + OUTS);
        for (int r = 0; r < ROWS; r++) {
            y[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum[r][0], sum[r][1])), scale, y[r]);
            y[r] = _mm512_fmadd_ps(_mm512_set1_ps((float)sums[r * n_groups + g]), middle, y[r]);
        }
    }
    for (int r = 0; r < ROWS; r++) y[r] = _mm512_mul_ps(y[r], _mm512_set1_ps(scales[r]));
}

template <int ROWS>
static inline void block(const Linear& w, int64_t number, const uint8_t* x, const float* scales, const int32_t* sums,
                         __m512* y) {
    if (w.group) block_int4<ROWS>(w, number, x, scales, sums, y);
    else block_int8<ROWS>(w, number, x, scales, y);
    if (w.bias)
        for (int r = 0; r < ROWS; r++) y[r] = _mm512_add_ps(y[r], _mm512_loadu_ps(w.bias + number * OUTS));
}

// Outputs of blocks first..last - 1 for any number of rows; store(row, block, sixteen floats).
template <typename Store>
static inline void product(const Linear& w, int64_t first, int64_t last, const uint8_t* x, const float* scales,
                           const int32_t* sums, int64_t rows, Store store) {
    const int64_t n_groups = w.group ? w.n_in / w.group : 0;
    for (int64_t number = first; number < last; number++)
        for (int64_t r = 0; r < rows;) {
            __m512 y[8];
            const uint8_t* at = x + r * w.n_in;
            const int64_t left = rows - r;
            int n;
            if (left >= 8) { block<8>(w, number, at, scales + r, sums + r * n_groups, y); n = 8; }
            else if (left >= 4) { block<4>(w, number, at, scales + r, sums + r * n_groups, y); n = 4; }
            else if (left >= 2) { block<2>(w, number, at, scales + r, sums + r * n_groups, y); n = 2; }
            else { block<1>(w, number, at, scales + r, sums + r * n_groups, y); n = 1; }
            for (int i = 0; i < n; i++) store(r + i, number, y[i]);
            r += n;
        }
}
