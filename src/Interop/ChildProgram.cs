using System.Runtime.InteropServices;
using System.Text;
using Accelerated.Interop.Native;
using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop;

/// <summary>
/// Runs another program to its end. Made for a process that lives for milliseconds: it costs one vfork (posix_spawn(3)), where
/// System.Diagnostics.Process costs about as much as the runtime's start.
/// </summary>
public static unsafe class ChildProgram
{
    // What glibc and musl need on 64-bit machines is less: 80 bytes for actions, 336 for attributes, 128 for a set of signals.
    private const int ActionsSize = 256;
    private const int AttributesSize = 512;
    private const int SignalSetSize = 128;

    /// <summary>Runs a program and waits for its end.</summary>
    /// <param name="path">The file; there is no search along PATH.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="variables">What differs in its environment from this process's.</param>
    /// <exception cref="NativeException">It could not be started, or not be waited for.</exception>
    public static ChildResult Run(string path, ReadOnlySpan<byte> input, params ReadOnlySpan<(string Name, string Value)> variables)
    {
        ArgumentNullException.ThrowIfNull(path);
        // Files in memory instead of pipes: nobody has to read and write at the same time, and what the program leaves running keeps nobody waiting.
        using var stdin = MemoryFile("stdin");
        using var stdout = MemoryFile("stdout");
        using var stderr = MemoryFile("stderr");
        RandomAccess.Write(stdin, input, 0);
        var status = Wait(Spawn(path, Environment(variables), stdin, stdout, stderr), path);
        return new(status, Content(stdout), Content(stderr));
    }

    /// <summary>This process's environment as it was handed over, byte for byte, with some variables changed: each ends in a zero.</summary>
    private static byte[] Environment(ReadOnlySpan<(string Name, string Value)> variables)
    {
        var own = File.ReadAllBytes("/proc/self/environ");
        if (variables.IsEmpty)
            return own;
        using var changed = new MemoryStream(own.Length + 256);
        for (var rest = own.AsSpan(); rest.Length > 0;)
        {
            var length = rest.IndexOf((byte)0) is >= 0 and var end ? end + 1 : rest.Length;
            if (!IsOneOf(rest[..length], variables))
                changed.Write(rest[..length]);
            rest = rest[length..];
        }

        foreach (var (name, value) in variables)
            changed.Write(Encoding.UTF8.GetBytes($"{name}={value}\0"));
        return changed.ToArray();
    }

    private static bool IsOneOf(ReadOnlySpan<byte> variable, ReadOnlySpan<(string Name, string Value)> variables)
    {
        foreach (var (name, _) in variables)
        {
            if (variable.StartsWith(Encoding.UTF8.GetBytes(name + "=")))
                return true;
        }

        return false;
    }

    private static int Spawn(string path, byte[] environment, SafeFileHandle stdin, SafeFileHandle stdout, SafeFileHandle stderr)
    {
        var actions = stackalloc byte[ActionsSize];
        var attributes = stackalloc byte[AttributesSize];
        var signals = stackalloc byte[SignalSetSize];
        var arguments = (nint*)NativeMemory.AllocZeroed(2, (nuint)sizeof(nint));
        fixed (byte* text = environment)
        {
            var block = Pointers(text, environment.Length);
            try
            {
                Check(Libc.posix_spawn_file_actions_init(actions), path);
                Check(Libc.posix_spawnattr_init(attributes), path);
                Check(Libc.posix_spawn_file_actions_adddup2(actions, (int)stdin.DangerousGetHandle(), 0), path);
                Check(Libc.posix_spawn_file_actions_adddup2(actions, (int)stdout.DangerousGetHandle(), 1), path);
                Check(Libc.posix_spawn_file_actions_adddup2(actions, (int)stderr.DangerousGetHandle(), 2), path);
                // The runtime ignores SIGPIPE, and what is ignored is inherited.
                new Span<byte>(signals, SignalSetSize).Fill(0xff);
                Check(Libc.posix_spawnattr_setsigdefault(attributes, signals), path);
                Check(Libc.posix_spawnattr_setflags(attributes, Libc.POSIX_SPAWN_SETSIGDEF), path);
                arguments[0] = Marshal.StringToCoTaskMemUTF8(path);
                int pid;
                Check(Libc.posix_spawn(&pid, path, actions, attributes, arguments, block), path);
                return pid;
            }
            finally
            {
                Marshal.FreeCoTaskMem(arguments[0]);
                NativeMemory.Free(arguments);
                NativeMemory.Free(block);
                _ = Libc.posix_spawn_file_actions_destroy(actions);
                _ = Libc.posix_spawnattr_destroy(attributes);
            }
        }
    }

    /// <summary>Pointers to texts that each end in a zero, and a null at the end, as execve(2) takes them.</summary>
    private static nint* Pointers(byte* text, int length)
    {
        var count = 0;
        for (var at = 0; at < length; at++)
            count += text[at] == 0 ? 1 : 0;
        var pointers = (nint*)NativeMemory.AllocZeroed((nuint)count + 1, (nuint)sizeof(nint));
        for (int i = 0, at = 0; i < count; i++)
        {
            pointers[i] = (nint)(text + at);
            while (text[at++] != 0)
            {
                // On to the next.
            }
        }

        return pointers;
    }

    // These give the error number back, and leave errno alone.
    private static void Check(int errno, string path)
    {
        if (errno != 0)
            throw new NativeException($"start {path}", errno);
    }

    private static int Wait(int pid, string path)
    {
        int status;
        while (Libc.waitpid(pid, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                throw NativeException.FromLastError($"wait for {path}");
        }

        return status;
    }

    private static SafeFileHandle MemoryFile(string name)
    {
        var fd = Libc.memfd_create(name, Libc.MFD_CLOEXEC);
        return fd >= 0 ? new(fd, ownsHandle: true) : throw NativeException.FromLastError("make a file in memory");
    }

    private static byte[] Content(SafeFileHandle file)
    {
        var content = new byte[RandomAccess.GetLength(file)];
        return content.AsSpan(0, RandomAccess.Read(file, content, 0)).ToArray();
    }
}
