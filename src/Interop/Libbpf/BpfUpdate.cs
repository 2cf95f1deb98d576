namespace Accelerated.Interop.Libbpf;

/// <summary>What an update may find.</summary>
public enum BpfUpdate
{
    /// <summary>BPF_ANY: add or replace.</summary>
    AddOrReplace = 0,

    /// <summary>BPF_NOEXIST: add; EEXIST when the key is there.</summary>
    Add = 1,

    /// <summary>BPF_EXIST: replace; ENOENT when the key is not there.</summary>
    Replace = 2,
}
