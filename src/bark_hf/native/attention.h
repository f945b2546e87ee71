// Attention of a prompt or window to itself in bfloat16 by AMX: whole rows of scores, a block of 16 queries at a time.
#pragma once
#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define BARK_TILE_ATTENTION
#include "kernels.h"
#include "vector_math.h"

static inline __m256i bfloat16(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }

// A head's keys and values in the order of tiles, and a thread's scores and weights. length is padded to 32 positions.
struct HeadTiles {
    uint16_t *keys, *values;  // [length / 16, dim / 32, 16 pairs of dims, 16 keys, 2], [length / 32, dim / 16, 16 pairs of keys, 16 dims, 2]
    static size_t size(int64_t padded, int64_t dim) { return 2 * padded * dim * sizeof(uint16_t); }
    HeadTiles(uint8_t* at, int64_t padded, int64_t dim) : keys((uint16_t*)at), values(keys + padded * dim) {}

    // key, value: float32 with `stride` numbers from one position to the next; what lies behind the length is 0
    void fill(const float* key, const float* value, int64_t stride, int64_t length, int64_t padded, int64_t dim) {
        for (int64_t p = 0; p < padded; p++) {
            uint32_t* block = (uint32_t*)keys + p / 16 * 16 * dim / 2 + p % 16;
            for (int64_t d = 0; d < dim; d += 16) {
                alignas(32) uint32_t pairs[8];
                const __m512 x = p < length ? _mm512_loadu_ps(key + p * stride + d) : _mm512_setzero_ps();
                _mm256_store_si256((__m256i*)pairs, bfloat16(x));
                for (int i = 0; i < 8; i++) block[(d / 2 + i) * 16] = pairs[i];
            }
        }
        for (int64_t p = 0; p < padded; p += 2)
            for (int64_t d = 0; d < dim; d += 16) {
                const __m512 first = p < length ? _mm512_loadu_ps(value + p * stride + d) : _mm512_setzero_ps();
                const __m512 second = p + 1 < length ? _mm512_loadu_ps(value + (p + 1) * stride + d) : _mm512_setzero_ps();
                const __m512i both = _mm512_or_si512(_mm512_cvtepu16_epi32(bfloat16(first)),
                                                     _mm512_slli_epi32(_mm512_cvtepu16_epi32(bfloat16(second)), 16));
                _mm512_storeu_si512(values + ((p / 32 * (dim / 16) + d / 16) * 16 + p % 32 / 2) * 32, both);
            }
    }
};

// 16 queries from `first` on over the positions 0..seen - 1 (causal: query i over 0..first + i): out float32.
// scores, weights: [16, padded]. dim: 32 or 64. The thread's tiles are configured as 16 rows of 64 bytes.
static void attend_block(const HeadTiles& kv, const float* query, int64_t stride, int64_t first, int64_t length, int64_t padded,
                         int64_t dim, bool causal, float* scores, uint16_t* weights, float* out, int64_t out_stride) {
    alignas(64) uint16_t rounded[16 * 64];
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt((float)dim));
    const int64_t n = std::min<int64_t>(16, length - first), seen = causal ? first + n : length;
    const int64_t wide = (seen + 31) / 32 * 32;
    for (int64_t i = 0; i < 16; i++)
        for (int64_t d = 0; d < dim; d += 16) {
            const __m512 x = i < n ? _mm512_mul_ps(_mm512_loadu_ps(query + (first + i) * stride + d), scale) : _mm512_setzero_ps();
            _mm256_store_si256((__m256i*)(rounded + i * dim + d), bfloat16(x));
        }
    _tile_loadd(4, rounded, dim * 2);
    if (dim == 64) _tile_loadd(5, rounded + 32, dim * 2);
    for (int64_t p = 0; p < wide; p += 16) {
        _tile_zero(0);
        const uint16_t* at = kv.keys + p * dim;
        _tile_loadd(6, at, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (dim == 64) {
            _tile_loadd(7, at + 512, 64);
            _tile_dpbf16ps(0, 5, 7);
        }
        _tile_stored(0, scores + p, padded * 4);
    }
    float inverse[16];
    for (int64_t i = 0; i < 16; i++) {
        float* row = scores + i * padded;
        const int64_t end = causal ? std::min(first + i + 1, seen) : seen;
        const auto inside = [=](int64_t p) { return (__mmask16)(end - p >= 16 ? 0xFFFF : end > p ? (1u << (end - p)) - 1 : 0); };
        __m512 top = _mm512_set1_ps(-INFINITY), mass = _mm512_setzero_ps();
        for (int64_t p = 0; p < end; p += 16) top = _mm512_mask_max_ps(top, inside(p), top, _mm512_loadu_ps(row + p));
        const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(top));
        for (int64_t p = 0; p < wide; p += 16) {
            __m512 weight = _mm512_setzero_ps();
            if (p < end) weight = _mm512_maskz_mov_ps(inside(p), exp16(_mm512_sub_ps(_mm512_loadu_ps(row + p), highest)));
            mass = _mm512_add_ps(mass, weight);
            _mm256_storeu_si256((__m256i*)(weights + i * padded + p), bfloat16(weight));
        }
        inverse[i] = 1.0f / _mm512_reduce_add_ps(mass);
    }
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (int64_t p = 0; p < wide; p += 32) {
        _tile_loadd(4, weights + p, padded * 2);
        const uint16_t* at = kv.values + p * dim;
        _tile_loadd(6, at, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, at + 512, 64);
        _tile_dpbf16ps(1, 4, 7);
        if (dim == 64) {
            _tile_loadd(6, at + 1024, 64);
            _tile_dpbf16ps(2, 4, 6);
            _tile_loadd(7, at + 1536, 64);
            _tile_dpbf16ps(3, 4, 7);
        }
    }
    alignas(64) float result[4][16][16];
    _tile_stored(0, result[0], 64); _tile_stored(1, result[1], 64);
    _tile_stored(2, result[2], 64); _tile_stored(3, result[3], 64);
    for (int64_t i = 0; i < n; i++)
        for (int64_t d = 0; d < dim; d += 16)
            _mm512_storeu_ps(out + (first + i) * out_stride + d, _mm512_mul_ps(_mm512_load_ps(result[d / 16][i]), _mm512_set1_ps(inverse[i])));
}
#endif
