// What is known of RAPL's registers, whichever way they are read.
#pragma once

namespace everywatt::rapl {

// Relative standard uncertainties. Package: Khan et al., "RAPL in Action" (TOMPECS 2018), 1 to 5 %
// against the plug. dram is modelled from activity before Haswell-EP and on clients: Desrochers,
// Paradis, Weaver (MEMSYS 2016). AMD models its packages: Schoene et al. 2021. psys has a scope of
// the vendor's choosing: three laptops of CodeCarbon's RAPL notes lie 9, 11 and 31 % off.
inline constexpr double kPackageError = 0.03;
inline constexpr double kDramError = 0.08;
inline constexpr double kAmdError = 0.10;
inline constexpr double kPsysError = 0.20;

// Far above what is sold, so that a counter's jump can be told from power.
inline constexpr double kMostPackageWatts = 1000;
inline constexpr double kMostDramWatts = 500;
inline constexpr double kMostPlatformWatts = 20000;

}  // namespace everywatt::rapl
