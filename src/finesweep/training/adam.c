/* Adam (Kingma and Ba, arXiv 1412.6980) for float32 weights that products take in bfloat16.

   What it costs is memory's speed: TensorFlow casts the gradient, walks through the weight three
   times and casts it again. Here each number is read and written once. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* `rate` is corrected for moments that began at 0; the others are 1 minus Adam's betas. */
struct rates {
    float rate, mean_rate, square_rate, epsilon;
};

/* One weight and, in bfloat16, its gradient and the copy of it that products take. */
struct weight {
    float *numbers, *mean, *square;
    const uint16_t *gradient;
    uint16_t *copy;
    int64_t size;
};

static float from_bfloat16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Rounded to the nearest, to the even one of two; not-a-number stays that. */
static uint16_t to_bfloat16(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits += 0x7fff + ((bits >> 16) & 1);
    return number == number ? (uint16_t)(bits >> 16) : 0x7fc0;
}

/* None of the arrays overlap: told so, a compiler computes several numbers at once. */
static void move(float *restrict numbers, float *restrict mean, float *restrict square,
                 const uint16_t *restrict gradient, uint16_t *restrict copy, int64_t size,
                 struct rates by) {
    for (int64_t i = 0; i < size; i++) {
        float slope = from_bfloat16(gradient[i]);
        mean[i] += (slope - mean[i]) * by.mean_rate;
        square[i] += (slope * slope - square[i]) * by.square_rate;
        numbers[i] -= by.rate * mean[i] / (sqrtf(square[i]) + by.epsilon);
        copy[i] = to_bfloat16(numbers[i]);
    }
}

/* One step of all `weights`; of each the share that is number `part` of `parts`. */
void adam_step(const struct weight *weights, int64_t count, struct rates by, int64_t part,
               int64_t parts) {
    for (const struct weight *w = weights; w < weights + count; w++) {
        int64_t start = w->size * part / parts, end = w->size * (part + 1) / parts;
        move(w->numbers + start, w->mean + start, w->square + start, w->gradient + start,
             w->copy + start, end - start, by);
    }
}
