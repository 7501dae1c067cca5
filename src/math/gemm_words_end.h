/* gemm_words_end.h - forget the words of one type (gemm_tile.h), so that the next can be set. */
#undef NAME
#undef A_T
#undef B_T
#undef SUM_T
#undef GROUP
#undef PHASES
#undef A_V
#undef B_V
#undef SUM_V
#undef A_LOAD
#undef B_LOAD
#undef A_NEXT
#undef A_PLUS_128
#undef DOT
#undef SUM_ZERO
#undef SUM_STORE
