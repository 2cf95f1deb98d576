namespace Accelerated.Interop.Libbpf;

/// <summary>How loud libbpf's own messages are (enum libbpf_print_level).</summary>
public enum LibbpfLogLevel
{
    /// <summary>Something failed, or is not as it should be.</summary>
    Warning = 0,

    /// <summary>Worth knowing.</summary>
    Information = 1,

    /// <summary>Every step.</summary>
    Debug = 2,
}
