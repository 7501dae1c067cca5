/* curve.h - the course of a training as a picture, from its log.
 *
 * The log has a JSON object a line: {"step", "loss", ...} of each step, and of each evaluation
 * {"step", METRIC, "best"}. The picture has the loss (many steps are drawn as the means of equal
 * numbers of them), and what was measured: a loss in the same panel, another metric in its own.
 */
#ifndef B4C_TRAIN_CURVE_H
#define B4C_TRAIN_CURVE_H
#include "base/error.h"

/* Lines that are not whole JSON (a log still being written) are passed over. metric: the name that
 * evaluations log under, NULL: there are none. */
int b4c_curve_write(const char *log, const char *metric, const char *svg, b4c_error *);
#endif
