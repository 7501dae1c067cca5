/* The compiled dictionary as part of the library: the system maps it with the program, and pages nobody reads cost nothing. */
    .section .rodata
    .balign 64
    .globl b4c_words_data
    .hidden b4c_words_data
    .globl b4c_words_data_end
    .hidden b4c_words_data_end
b4c_words_data:
    .incbin B4C_WORDS_FILE
b4c_words_data_end:
    .section .note.GNU-stack, "", %progbits
