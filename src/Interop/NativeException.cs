using System.Runtime.InteropServices;

namespace Accelerated.Interop;

/// <summary>The kernel or a native library refused an operation.</summary>
public class NativeException : Exception
{
    /// <summary>Makes the exception for an operation that ended in an error number.</summary>
    /// <param name="operation">What was tried, in words that continue "could not …".</param>
    /// <param name="errno">The positive error number.</param>
    /// <param name="detail">More that is known about the cause, or null.</param>
    public NativeException(string operation, int errno, string? detail = null)
        : base($"{operation}: {ErrnoNames.Describe(errno)}{(string.IsNullOrEmpty(detail) ? "" : $" ({detail})")}")
    {
        Operation = operation;
        Errno = errno;
    }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>The positive error number.</summary>
    public int Errno { get; }

    /// <summary>Whether the interface is not there (any more).</summary>
    public bool IsNoSuchDevice => Errno == Native.Errno.ENODEV;

    /// <summary>Whether the kernel refused for want of a capability (EPERM).</summary>
    public bool IsNotPermitted => Errno == Native.Errno.EPERM;

    /// <summary>Whether somebody else has the place already.</summary>
    public bool IsTaken => Errno is Native.Errno.EBUSY or Native.Errno.EEXIST;

    /// <summary>Whether the kernel, or a driver of it, does not offer that.</summary>
    public bool IsNotSupported => Errno is Native.Errno.EOPNOTSUPP or Native.Errno.ENOTSUPP;

    /// <summary>The exception for a call that has just failed and left its reason in errno.</summary>
    internal static NativeException FromLastError(string operation) => new(operation, Marshal.GetLastPInvokeError());
}
