/* Encodes a tensor, decodes it and prints what that gave. Built with
 *
 *     cc round_trip.c $(pkg-config --cflags --libs tahq) -lm
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tahq.h"

#define ROWS 128u
#define WIDTH 576u

int main(void)
{
    tahq_status status = tahq_abi_check(TAHQ_ABI_VERSION);
    if (status != TAHQ_STATUS_OK) {
        fprintf(stderr, "libtahq %s: %s\n", tahq_version(), tahq_status_message(status));
        return 1;
    }

    size_t size = sizeof(float) * ROWS * WIDTH;
    float *x = malloc(size), *y = malloc(size);
    uint8_t *frame = NULL;
    size_t max_size, frame_size, i;
    double error_energy = 0, energy = 0;
    tahq_config config;
    tahq_header header;
    tahq_error error;
    error.struct_size = sizeof error;
    if (x == NULL || y == NULL)
        return 1;
    for (i = 0; i < (size_t)ROWS * WIDTH; i++)
        x[i] = sinf(0.37f * (float)i);

    /* The encoder: a preset, changed where wanted. */
    tahq_config_init(&config, sizeof config, TAHQ_PRESET_INT4);
    config.effort = TAHQ_EFFORT_BEST;
    status = tahq_max_frame_len(&config, TAHQ_ELEMENT_F32, ROWS, WIDTH, &max_size, &error);
    if (status != TAHQ_STATUS_OK)
        goto failed;
    frame = malloc(max_size);
    if (frame == NULL)
        return 1;
    status = tahq_encode(&config, TAHQ_ELEMENT_F32, x, size, ROWS, WIDTH, frame, max_size, &frame_size, &error);
    if (status != TAHQ_STATUS_OK)
        goto failed;

    /* The receiver: the header says how much room the tensor takes. */
    status = tahq_parse_header(frame, frame_size, &header, &error);
    if (status != TAHQ_STATUS_OK)
        goto failed;
    if (header.rows != ROWS || header.width != WIDTH)
        return 1;
    status = tahq_decode(frame, frame_size, TAHQ_ELEMENT_F32, y, size, NULL, NULL, &error);
    if (status != TAHQ_STATUS_OK)
        goto failed;

    for (i = 0; i < (size_t)ROWS * WIDTH; i++) {
        double difference = (double)y[i] - (double)x[i];
        error_energy += difference * difference;
        energy += (double)x[i] * (double)x[i];
    }
    printf("libtahq %s, level %s: %u x %u floats in %lu bytes, %.2f bits an element, %.1f dB\n", tahq_version(),
           tahq_level_name(tahq_level_detect()), (unsigned)header.rows, (unsigned)header.width,
           (unsigned long)frame_size, 8.0 * (double)frame_size / ((double)ROWS * WIDTH),
           10.0 * log10(energy / error_energy));
    free(frame);
    free(y);
    free(x);
    return 0;

failed:
    fprintf(stderr, "%s (status %d)\n", error.message, (int)status);
    free(frame);
    free(y);
    free(x);
    return 1;
}
