// Student's distribution, for means of few values, and what a few values say of the spread that they come from.
#pragma once

namespace everywatt {

// The share of the distribution below `t`. Degrees of freedom above 0 and not whole in general.
double student_share_below(double t, double degrees);
// The other way round; 0 < share < 1.
double student_quantile(double share, double degrees);

// By how much the standard deviation that `degrees` were left for may fall short of the true one: in nine cases of ten
// the true one is below so many times it. By Wilson and Hilferty's approximation of chi-squared (PNAS 17, 1931).
double spread_bound(double degrees);

}  // namespace everywatt
