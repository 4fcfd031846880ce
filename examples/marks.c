/* A line is fitted to points by gradient descent, and the program says how far
 * it is: what each epoch, each evaluation and each step costs is then on the
 * bill of `everywatt run -- ./marks`.
 *
 *   cc marks.c $(pkg-config --cflags --libs everywatt) -o marks */
#include <everywatt.h>
#include <stdio.h>

enum { POINTS = 4096, EPOCHS = 3, STEPS = 50 };

static double x[POINTS], y[POINTS];
static double slope = 0, intercept = 0;

/* Points on y = 3 x + 1, a little off it. */
static void make_points(void) {
  unsigned chance = 1;
  for (int i = 0; i < POINTS; ++i) {
    chance = chance * 1664525u + 1013904223u;
    x[i] = (double)i / POINTS;
    y[i] = 3 * x[i] + 1 + (chance / 4294967296.0 - 0.5) * 0.1;
  }
}

static void step(void) {
  double by_slope = 0, by_intercept = 0;
  for (int i = 0; i < POINTS; ++i) {
    const double error = slope * x[i] + intercept - y[i];
    by_slope += error * x[i];
    by_intercept += error;
  }
  slope -= by_slope / POINTS;
  intercept -= by_intercept / POINTS;
}

static double mean_square_error(void) {
  double sum = 0;
  for (int i = 0; i < POINTS; ++i) {
    const double error = slope * x[i] + intercept - y[i];
    sum += error * error;
  }
  return sum / POINTS;
}

int main(void) {
  const everywatt_name epoch_name = everywatt_intern("epoch");
  const everywatt_name loss_name = everywatt_intern("loss");
  int64_t steps = 0;

  make_points();
  everywatt_tag("optimizer", "gradient descent");
  for (int epoch = 0; epoch < EPOCHS; ++epoch) {
    const everywatt_span phase = everywatt_phase_begin(epoch_name);
    for (int i = 0; i < STEPS; ++i) {
      step();
      everywatt_step(steps++);
      everywatt_count(EVERYWATT_SAMPLES, POINTS);
      everywatt_flops(EVERYWATT_FP64, 7.0 * POINTS); /* of one point: 3 multiplications, 4 additions */
    }
    const everywatt_span evaluation = everywatt_phase_begin_text("eval");
    const double loss = mean_square_error();
    everywatt_metric(loss_name, loss, steps - 1);
    everywatt_phase_end(evaluation);
    everywatt_phase_end(phase);
    printf("epoch %d: loss %.5f, y = %.3f x + %.3f\n", epoch, loss, slope, intercept);
  }
  return 0;
}
