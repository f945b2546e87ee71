// Decode steps in float32, int8 and int4, and products of the latter two, for x86-64 with AVX-512 VNNI, and AMX where it is.
//
// A decode step is one call: all layers in one parallel region, so that what is read (weights, keys, values) sets the pace
// and not the calls of operators. Norms and roundings are repeated by every thread; that is cheaper than waiting for one.
#include <omp.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmath>
#include <vector>
#include "attention.h"
#include "floats.h"
#include "kernels.h"
#include "products.h"
#include "vector_math.h"

static bool amx_there = false;

namespace {

struct Range { int64_t first, last; };

Range share(int64_t n) {  // of the calling thread
    const int64_t threads = omp_get_num_threads(), me = omp_get_thread_num();
    return {n * me / threads, n * (me + 1) / threads};
}

struct Scratch {  // bytes that a caller's thread keeps from call to call
    std::vector<uint8_t> bytes;
    uint8_t* get(size_t n) {
        if (bytes.size() < n + 64) bytes.resize(n + 64);
        return bytes.data() + (64 - (uintptr_t)bytes.data() % 64) % 64;
    }
};

struct Rows {  // rounded rows
    uint8_t* ints;
    float* scales;
    int32_t* sums;
    static size_t size(int64_t rows, int64_t n_in) { return rows * (n_in + 4 + 4 * (n_in / 32) + 4) + 192; }
    Rows(uint8_t* at, int64_t rows, int64_t n_in) : ints(at) {
        at += (rows * n_in + 63) / 64 * 64;
        scales = (float*)at;
        sums = (int32_t*)(at + (rows * 4 + 63) / 64 * 64);
    }
    void take(const Linear& w, int64_t r, const float* x) {
        scales[r] = round_row(w, x, ints + r * w.n_in, sums + r * (w.group ? w.n_in / w.group : 0));
    }
};

template <typename AnyRows>
void take_all(AnyRows& rows, const Linear& w, const float* x, int64_t first, int64_t last) {
    for (int64_t r = first; r < last; r++) rows.take(w, r, x + r * w.n_in);
}

void normalise(const Norm& norm, const float* x, float* y, int64_t n) {
    __m512 sum = _mm512_setzero_ps(), square = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) sum = _mm512_add_ps(sum, _mm512_loadu_ps(x + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / n);
    for (int64_t i = 0; i < n; i += 16) {
        const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
        square = _mm512_fmadd_ps(d, d, square);
    }
    const __m512 factor = _mm512_set1_ps(1.0f / std::sqrt(_mm512_reduce_add_ps(square) / n + norm.eps));
    for (int64_t i = 0; i < n; i += 16) {
        const __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), mean), factor);
        const __m512 bias = norm.bias ? _mm512_loadu_ps(norm.bias + i) : _mm512_setzero_ps();
        _mm512_storeu_ps(y + i, _mm512_fmadd_ps(d, _mm512_loadu_ps(norm.weight + i), bias));
    }
}

struct Place {  // of one layer's, row's and head's keys and values
    int8_t *keys, *values;
    float *key_scales, *value_scales;
    int32_t* key_offsets;
    Place(const Network& n, const KeysValues& kv, int64_t layer, int64_t row, int64_t head) {
        const int64_t at = ((layer * kv.n_rows + row) * n.n_heads + head) * kv.room;
        keys = (int8_t*)kv.keys + at * n.head_dim;
        values = (int8_t*)kv.values + at * n.head_dim;
        key_scales = kv.scales + 3 * at;
        value_scales = key_scales + kv.room;
        key_offsets = (int32_t*)(value_scales + kv.room);
    }
};

// One query of one head over positions 0..length - 1: out [head_dim]. scores: room for length + 16 floats.
// The query has 16 bits, in two steps; keys and values have 8.
template <int PARTS>  // head_dim / 16
void attend(const float* query, const Place& kv, int64_t length, float* scores, float* out) {
    constexpr int DIM = 16 * PARTS;
    alignas(64) uint8_t high[DIM], low[DIM];
    __m512 peak = _mm512_setzero_ps();
    for (int d = 0; d < DIM; d += 16) peak = _mm512_max_ps(peak, _mm512_abs_ps(_mm512_loadu_ps(query + d)));
    const float top_query = std::max(_mm512_reduce_max_ps(peak), 1e-30f);
    for (int d = 0; d < DIM; d += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(query + d), _mm512_set1_ps(127.0f / top_query));
        const __m512i first = _mm512_cvtps_epi32(scaled);
        const __m512 rest = _mm512_mul_ps(_mm512_sub_ps(scaled, _mm512_cvtepi32_ps(first)), _mm512_set1_ps(254.0f));
        const __m128i flip = _mm_set1_epi8((char)0x80);
        _mm_store_si128((__m128i*)(high + d), _mm_xor_si128(_mm512_cvtsepi32_epi8(first), flip));
        _mm_store_si128((__m128i*)(low + d), _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(rest)), flip));
    }
    const __m512 scale = _mm512_set1_ps(top_query / 127.0f / std::sqrt((float)DIM)), nothing = _mm512_set1_ps(-INFINITY);
    __m512 top = nothing;
    for (int64_t p = 0; p < length; p += 16) {
        __m512i coarse = _mm512_setzero_si512(), finer = _mm512_setzero_si512();
        for (int d = 0; d < DIM; d += 4) {
            const int8_t* at = kv.keys + (p * DIM + d * 16);
            ask(at);
            const __m512i key = _mm512_loadu_si512(at);
            coarse = _mm512_dpbusd_epi32(coarse, _mm512_set1_epi32(four(high + d)), key);
            finer = _mm512_dpbusd_epi32(finer, _mm512_set1_epi32(four(low + d)), key);
        }
        const __m512i offset = _mm512_loadu_si512(kv.key_offsets + p);
        __m512 score = _mm512_cvtepi32_ps(_mm512_sub_epi32(coarse, offset));
        score = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(finer, offset)), _mm512_set1_ps(1.0f / 254.0f), score);
        score = _mm512_mul_ps(score, _mm512_mul_ps(scale, _mm512_loadu_ps(kv.key_scales + p)));
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
        _mm512_storeu_ps(scores + p, _mm512_mul_ps(weight, _mm512_loadu_ps(kv.value_scales + p)));
    }
    __m512 sum[4][PARTS];
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < PARTS; c++) sum[i][c] = _mm512_setzero_ps();
    const auto add = [&](int64_t p, __m512* to) {
        const __m512 weight = _mm512_set1_ps(scores[p]);
        const int8_t* at = kv.values + p * DIM;
        ask(at);
        for (int c = 0; c < PARTS; c++) {
            const __m512i value = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(at + 16 * c)));
            to[c] = _mm512_fmadd_ps(weight, _mm512_cvtepi32_ps(value), to[c]);
        }
    };
    int64_t p = 0;
    for (; p + 4 <= length; p += 4)
        for (int i = 0; i < 4; i++) add(p + i, sum[i]);
    for (; p < length; p++) add(p, sum[0]);
    const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(mass));
    for (int c = 0; c < PARTS; c++) {
        const __m512 all = _mm512_add_ps(_mm512_add_ps(sum[0][c], sum[1][c]), _mm512_add_ps(sum[2][c], sum[3][c]));
        _mm512_storeu_ps(out + 16 * c, _mm512_mul_ps(all, inverse));
    }
}

template <typename AnyPlace>
void attend(int64_t dim, const float* query, const AnyPlace& place, int64_t length, float* scores, float* out) {
    switch (dim) {  // Python asks for no other
        case 16: attend<1>(query, place, length, scores, out); break;
        case 32: attend<2>(query, place, length, scores, out); break;
        case 64: attend<4>(query, place, length, scores, out); break;
        case 128: attend<8>(query, place, length, scores, out); break;
    }
}

// dim numbers -> ints by their peak, in groups of four; returns the scale.
float round_numbers(const float* x, int64_t dim, int8_t* to, int64_t stride, int32_t* sum) {
    __m512 peak = _mm512_setzero_ps();
    for (int64_t d = 0; d < dim; d += 16) peak = _mm512_max_ps(peak, _mm512_abs_ps(_mm512_loadu_ps(x + d)));
    const float top = std::max(_mm512_reduce_max_ps(peak), 1e-30f);
    __m512i total = _mm512_setzero_si512();
    for (int64_t d = 0; d < dim; d += 16) {
        const __m512i ints = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + d), _mm512_set1_ps(127.0f / top)));
        total = _mm512_add_epi32(total, ints);
        alignas(16) int8_t bytes[16];
        _mm_store_si128((__m128i*)bytes, _mm512_cvtsepi32_epi8(ints));
        for (int i = 0; i < 16; i += 4) std::memcpy(to + (d + i) / 4 * stride, bytes + i, 4);
    }
    if (sum) *sum = 128 * _mm512_reduce_add_epi32(total);
    return top / 127.0f;
}

void write_position(const Place& place, int64_t position, const float* key, const float* value, int64_t dim) {
    int8_t* block = place.keys + position / 16 * 16 * dim + position % 16 * 4;
    place.key_scales[position] = round_numbers(key, dim, block, 64, place.key_offsets + position);
    place.value_scales[position] = round_numbers(value, dim, place.values + position * dim, 4, nullptr);
}

template <typename AnyPlace>
void write_prompt(const AnyPlace& place, const float* key, const float* value, int64_t stride, int64_t length, int64_t dim) {
    for (int64_t p = 0; p < length; p++) write_position(place, p, key + p * stride, value + p * stride, dim);
}

#ifdef __AMX_INT8__
struct TileShapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};
// Eight of 16 rows of 64 bytes. Not a local variable: GCC 12 thinks that only its first bytes are read.
alignas(64) const TileShapes SHAPES = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// A range of blocks of outputs for all rows, int8 weights, two blocks at a time. HALVES: tiles of 16 rows at a time; memory is
// there for whole tiles.
template <int HALVES, typename Store>
void tiles(const Linear& w, int64_t first, int64_t last, const uint8_t* x, const float* scales, int64_t rows, Store store) {
    alignas(64) int32_t sums[4][16][16];
    for (int64_t number = first; number < last; number += 2) {
        const int64_t n_blocks = std::min<int64_t>(2, last - number);
        const uint8_t* weight = w.weight + number * OUTS * w.n_in;
        const uint8_t* second = weight + (n_blocks - 1) * OUTS * w.n_in;
        for (int64_t r = 0; r < rows; r += 16 * HALVES) {
            const uint8_t* at = x + r * w.n_in;
            _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
            for (int64_t i = 0; i < w.n_in; i += 64) {
                if (r == 0)
                    for (int line = 0; line < 16; line++) {
                        ask(weight + i * OUTS + 64 * line);
                        ask(second + i * OUTS + 64 * line);
                    }
                _tile_loadd(4, at + i, w.n_in);
                _tile_loadd(6, weight + i * OUTS, 64);
                _tile_loadd(7, second + i * OUTS, 64);
                _tile_dpbusd(0, 4, 6);
                _tile_dpbusd(1, 4, 7);
                if (HALVES == 2) {
                    _tile_loadd(5, at + 16 * w.n_in + i, w.n_in);
                    _tile_dpbusd(2, 5, 6);
                    _tile_dpbusd(3, 5, 7);
                }
            }
            _tile_stored(0, sums[0], 64); _tile_stored(1, sums[1], 64);
            if (HALVES == 2) { _tile_stored(2, sums[2], 64); _tile_stored(3, sums[3], 64); }
            for (int64_t b = 0; b < n_blocks; b++) {
                const __m512i offset = _mm512_loadu_si512(w.offset + (number + b) * OUTS);
                const __m512 scale = _mm512_loadu_ps(w.scale + (number + b) * OUTS);
                const __m512 bias = w.bias ? _mm512_loadu_ps(w.bias + (number + b) * OUTS) : _mm512_setzero_ps();
                const int64_t n = std::min<int64_t>(16 * HALVES, rows - r);
                for (int64_t i = 0; i < n; i++) {
                    const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums[i / 16 * 2 + b][i % 16]), offset);
                    const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(scales[r + i]));
                    __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
                    if (w.bias) y = _mm512_add_ps(y, bias);
                    store(r + i, number + b, y);
                }
            }
        }
    }
}
#endif

constexpr int64_t ROWS_AT_ONCE = 256;  // rounded rows that stay in the second-level cache while weights go by

bool use_tiles(const Linear& w, int64_t rows) { return amx_there && !w.group && rows >= 4; }

void open_tiles() {
#ifdef __AMX_INT8__
    if (amx_there) _tile_loadconfig(&SHAPES);
#endif
}

void close_tiles() {
#ifdef __AMX_INT8__
    if (amx_there) _tile_release();
#endif
}

// The calling thread's share of a product's blocks of outputs first..last - 1, for all rows; with tiles opened before.
template <typename Store>
void multiply(const Linear& w, const Rows& x, int64_t rows, Store store, int64_t first, int64_t last) {
    Range outs = share(last - first);
    outs.first += first;
    outs.last += first;
    const int64_t n_groups = w.group ? w.n_in / w.group : 0;
    for (int64_t r = 0; r < rows; r += ROWS_AT_ONCE) {
        const int64_t n = std::min(ROWS_AT_ONCE, rows - r);
        const auto here = [=](int64_t row, int64_t number, __m512 value) { store(r + row, number, value); };
        const uint8_t* ints = x.ints + r * w.n_in;
#ifdef __AMX_INT8__
        if (use_tiles(w, rows)) {
            if (n > 16) tiles<2>(w, outs.first, outs.last, ints, x.scales + r, n, here);
            else tiles<1>(w, outs.first, outs.last, ints, x.scales + r, n, here);
            continue;
        }
#endif
        product(w, outs.first, outs.last, ints, x.scales + r, x.sums + r * n_groups, n, here);
    }
}

template <typename Store>
void multiply(const Linear& w, const FloatRows& x, int64_t rows, Store store, int64_t first, int64_t last) {
    const Range outs = share(last - first);
    float_product(w, first + outs.first, first + outs.last, x.x, rows, store);
}

template <typename AnyRows, typename Store>
void multiply(const Linear& w, const AnyRows& x, int64_t rows, Store store) {
    multiply(w, x, rows, store, 0, w.n_out / OUTS);
}

int64_t whole_tiles(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; }

template <typename AnyRows, typename AnyPlace>
void run_step(const Network& n, const KeysValues& kv, float* hidden, const int64_t* lengths, int64_t rows, int64_t first_out,
              int64_t n_outs, float* logits, int threads) {
    static thread_local Scratch scratch;
    const int64_t width = n.width, wide = 4 * width, room = kv.room + 16;
    const size_t floats = rows * (3 * width + width + wide), rounded_size = AnyRows::size(whole_tiles(rows), wide);
    const size_t per_thread = (rounded_size + 4 * (room + width) + 127) / 64 * 64;
    uint8_t* memory = scratch.get(4 * floats + threads * per_thread + 64);
    float *qkv = (float*)memory, *attended = qkv + rows * 3 * width, *inner = attended + rows * width;
    uint8_t* private_memory = memory + (4 * floats + 63) / 64 * 64;

#pragma omp parallel num_threads(threads)
    {
        uint8_t* own = private_memory + omp_get_thread_num() * per_thread;
        float *scores = (float*)own, *normal = scores + room;
        uint8_t* ints = own + (4 * (room + width) + 63) / 64 * 64;
        AnyRows narrow(ints, whole_tiles(rows), width), broad(ints, whole_tiles(rows), wide);
        open_tiles();
        const auto norm_and_round = [&](const Norm& norm, const Linear& w) {
            for (int64_t r = 0; r < rows; r++) {
                normalise(norm, hidden + r * width, normal, width);
                narrow.take(w, r, normal);
            }
        };
        const auto add = [&](int64_t r, int64_t number, __m512 value) {
            float* at = hidden + r * width + number * OUTS;
            _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), value));
        };
        for (int64_t l = 0; l < n.n_layers; l++) {
            const Layer& layer = n.layers[l];
            norm_and_round(layer.norm_1, layer.qkv);
            multiply(layer.qkv, narrow, rows, [&](int64_t r, int64_t number, __m512 value) {
                _mm512_storeu_ps(qkv + r * 3 * width + number * OUTS, value);
            });
#pragma omp barrier
            const Range heads = share(rows * n.n_heads);
            for (int64_t i = heads.first; i < heads.last; i++) {
                const int64_t r = i / n.n_heads, head = i % n.n_heads;
                const float* query = qkv + r * 3 * width + head * n.head_dim;
                const AnyPlace place(n, kv, l, r, head);
                write_position(place, lengths[r], query + width, query + 2 * width, n.head_dim);
                attend(n.head_dim, query, place, lengths[r] + 1, scores, attended + r * width + head * n.head_dim);
            }
#pragma omp barrier
            take_all(narrow, layer.out, attended, 0, rows);
            multiply(layer.out, narrow, rows, add);
#pragma omp barrier
            norm_and_round(layer.norm_2, layer.up);
            multiply(layer.up, narrow, rows, [&](int64_t r, int64_t number, __m512 value) {
                _mm512_storeu_ps(inner + r * wide + number * OUTS, gelu16(value));
            });
#pragma omp barrier
            take_all(broad, layer.down, inner, 0, rows);
            multiply(layer.down, broad, rows, add);
#pragma omp barrier
        }
        if (n.head.n_out) {
            norm_and_round(n.norm, n.head);
            const int64_t first = first_out / OUTS;
            const auto store = [&](int64_t r, int64_t number, __m512 value) {
                _mm512_storeu_ps(logits + r * n_outs + (number - first) * OUTS, value);
            };
            multiply(n.head, narrow, rows, store, first, first + n_outs / OUTS);
        } else {
            const Range mine = share(rows);
            for (int64_t r = mine.first; r < mine.last; r++) normalise(n.norm, hidden + r * width, hidden + r * width, width);
        }
        close_tiles();
    }
}

}  // namespace

extern "C" {

int bark_prepare(int use_amx) {
    amx_there = false;
#ifdef __AMX_INT8__
    constexpr int REQUEST = 0x1023, TILE_DATA = 18;  // Linux gives tile registers to processes that ask
    amx_there = use_amx && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#endif
    return amx_there;
}

// y [rows, n_out] = x [rows, n_in] times the weights, exact GELU behind it if asked for.
void bark_linear(const Linear* linear, const float* x, float* y, int64_t rows, int gelu, int threads) {
    static thread_local Scratch scratch;
    const Linear w = *linear;
    Rows rounded(scratch.get(Rows::size(whole_tiles(rows), w.n_in)), whole_tiles(rows), w.n_in);
#pragma omp parallel num_threads(threads)
    {
        const Range mine = share(rows);
        take_all(rounded, w, x, mine.first, mine.last);
#pragma omp barrier
        open_tiles();
        multiply(w, rounded, rows, [=](int64_t row, int64_t number, __m512 value) {
            _mm512_storeu_ps(y + row * w.n_out + number * OUTS, gelu ? gelu16(value) : value);
        });
        close_tiles();
    }
}

// All blocks over a sequence: hidden [length, width], overwritten. Returns 0 where it can't be done (no AMX, other sizes of
// heads). cache: null, or where keys and values of `row` go; then the last block ends with these.
int bark_blocks(const Network* network, const KeysValues* cache, int64_t row, float* hidden, int64_t length, int causal,
                int threads) {
#ifdef BARK_TILE_ATTENTION
    const Network& n = *network;
    const int64_t width = n.width, wide = 4 * width, dim = n.head_dim;
    if (!amx_there || (dim != 32 && dim != 64)) return 0;
    static thread_local Scratch scratch;
    const int64_t padded = whole_tiles(length), n_queries = (length + 15) / 16, part = std::min(padded, ROWS_AT_ONCE);
    const size_t per_head = HeadTiles::size(padded, dim), per_thread = (16 * padded * (4 + 2) + 4 * width + 63) / 64 * 64;
    const size_t narrow_size = (Rows::size(padded, width) + 63) / 64 * 64, broad_size = (Rows::size(part, wide) + 63) / 64 * 64;
    uint8_t* memory = scratch.get(narrow_size + broad_size + n.n_heads * per_head + threads * per_thread +
                                  4 * (padded * 4 * width + part * wide));
    Rows narrow(memory, padded, width), broad(memory + narrow_size, part, wide);
    uint8_t* heads = memory + narrow_size + broad_size;
    uint8_t* private_memory = heads + n.n_heads * per_head;
    float *qkv = (float*)(private_memory + threads * per_thread), *attended = qkv + padded * 3 * width;
    float* inner = attended + padded * width;  // [part, wide]

#pragma omp parallel num_threads(threads)
    {
        open_tiles();
        float* scores = (float*)(private_memory + omp_get_thread_num() * per_thread);
        float* normal = scores + 16 * padded * 3 / 2;
        const auto norm_and_round = [&](const Norm& norm, const Linear& w) {
            const Range mine = share(length);
            for (int64_t r = mine.first; r < mine.last; r++) {
                normalise(norm, hidden + r * width, normal, width);
                narrow.take(w, r, normal);
            }
        };
        const auto add = [=](int64_t r, int64_t number, __m512 value) {
            float* at = hidden + r * width + number * OUTS;
            _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), value));
        };
        for (int64_t l = 0; l < n.n_layers; l++) {
            const Layer& layer = n.layers[l];
            norm_and_round(layer.norm_1, layer.qkv);
#pragma omp barrier
            multiply(layer.qkv, narrow, length, [=](int64_t r, int64_t number, __m512 value) {
                _mm512_storeu_ps(qkv + r * 3 * width + number * OUTS, value);
            });
#pragma omp barrier
            const Range mine = share(n.n_heads);
            for (int64_t head = mine.first; head < mine.last; head++) {
                const float* at = qkv + head * dim;
                if (cache) write_prompt(Place(n, *cache, l, row, head), at + width, at + 2 * width, 3 * width, length, dim);
                HeadTiles(heads + head * per_head, padded, dim).fill(at + width, at + 2 * width, 3 * width, length, padded, dim);
            }
            if (cache && l == n.n_layers - 1) break;
#pragma omp barrier
#pragma omp for schedule(dynamic, 4)
            for (int64_t i = 0; i < n.n_heads * n_queries; i++) {
                const int64_t head = i / n_queries, first = i % n_queries * 16;
                attend_block(HeadTiles(heads + head * per_head, padded, dim), qkv + head * dim, 3 * width, first, length, padded,
                             dim, causal, scores, (uint16_t*)(scores + 16 * padded), attended + head * dim, width);
            }
            const Range rows = share(length);
            take_all(narrow, layer.out, attended, rows.first, rows.last);
#pragma omp barrier
            multiply(layer.out, narrow, length, add);
#pragma omp barrier
            norm_and_round(layer.norm_2, layer.up);
#pragma omp barrier
            for (int64_t r = 0; r < length; r += part) {
                const int64_t here = std::min(part, length - r), n_groups = layer.up.group ? width / layer.up.group : 0;
                Rows some = narrow;
                some.ints += r * width;
                some.scales += r;
                some.sums += r * n_groups;
                multiply(layer.up, some, here, [=](int64_t i, int64_t number, __m512 value) {
                    _mm512_storeu_ps(inner + i * wide + number * OUTS, gelu16(value));
                });
#pragma omp barrier
                const Range own = share(here);
                take_all(broad, layer.down, inner, own.first, own.last);
#pragma omp barrier
                multiply(layer.down, broad, here, [=](int64_t i, int64_t number, __m512 value) { add(r + i, number, value); });
#pragma omp barrier
            }
        }
        close_tiles();
    }
    return 1;
#else
    return 0;
#endif
}

// Keys and values of a prompt: qkv [length, 3, n_heads, head_dim] -> positions 0..length - 1 of a row.
void bark_write_prompt(const Network* network, const KeysValues* kv, int64_t layer, int64_t row, const float* qkv,
                       int64_t length, int threads) {
    const Network& n = *network;
#pragma omp parallel for num_threads(threads)
    for (int64_t head = 0; head < n.n_heads; head++) {
        const float* at = qkv + head * n.head_dim;
        const auto write = [&](const auto& place) {
            write_prompt(place, at + n.width, at + 2 * n.width, 3 * n.width, length, n.head_dim);
        };
        if (kv->scales) write(Place(n, *kv, layer, row, head));
        else write(FloatPlace(n, *kv, layer, row, head));
    }
}

// One new position per row: hidden [rows, width] (token and position embedding, overwritten) at positions lengths [rows] ->
// head outputs first_out..first_out + n_outs - 1 (multiples of 16), logits [rows, n_outs]. Without a head of its own it leaves
// the last norm's output in hidden.
void bark_step(const Network* network, const KeysValues* cache, float* hidden, const int64_t* lengths, int64_t rows,
               int64_t first_out, int64_t n_outs, float* logits, int threads) {
    const auto run = cache->scales ? run_step<Rows, Place> : run_step<FloatRows, FloatPlace>;
    run(*network, *cache, hidden, lengths, rows, first_out, n_outs, logits, threads);
}
}
