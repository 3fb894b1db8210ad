// Summation with Neumaier's compensation (Kahan and Babuska's, improved): the
// rounding error of every addition is kept in a second number. Prometheus sums so,
// and its scripts expect the digits.
#pragma once

#include <cmath>

namespace gatehouse::promql {

struct Kahan {
  double sum = 0;
  double rest = 0;

  void add(double x) {
    const double total = sum + x;
    if (std::isinf(total)) {
      rest = 0;
    } else if (std::fabs(sum) >= std::fabs(x)) {
      rest += (sum - total) + x;
    } else {
      rest += (x - total) + sum;
    }
    sum = total;
  }
  void add(const Kahan& other) {
    add(other.sum);
    if (!std::isinf(sum)) rest += other.rest;
  }
  double value() const { return sum + rest; }
};

}  // namespace gatehouse::promql
